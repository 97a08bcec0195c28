/* The installed header and library: attention of one query on one key is its value. */
#include <halftone.h>
#include <stdio.h>

int main(void) {
  const float q = 1, k = 2, v = 3;
  float o = 0;
  halftone_request request = {sizeof request};
  request.q = &q;
  request.k = &k;
  request.v = &v;
  request.o = &o;
  request.seq_q = request.seq_k = request.batch = request.heads_q = request.heads_kv = request.dim = 1;
  request.device = HALFTONE_HOST;
  if (halftone_block_sparse_attention(&request, NULL) != HALFTONE_OK) printf("%s\n", halftone_last_message());
  printf("libhalftone %s, kernel %s, output %g\n", halftone_version(), halftone_last_kernel(), o);
  return o == 3 ? 0 : 1;
}
