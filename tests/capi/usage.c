/* halftone.h as C sees it, by a program that knows nothing of Kokkos: dense attention of one query on two keys, worked
 * out by hand, what a selection of every block reports, and one refusal. Compiled as C11. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "halftone.h"

static int failures = 0;

static void check(int ok, const char* what) {
  if (ok) return;
  printf("FAILED: %s (last message: %s)\n", what, halftone_last_message());
  ++failures;
}

int main(void) {
  /* Scores 0 and log 3 give weights 1/4 and 3/4. */
  const float q[2] = {1, 0}, k[4] = {0, 5, 1.0986122887f, -2}, v[4] = {4, 8, 0, 16};
  float o[2] = {-1, -1}, lse = -1;
  check(strlen(halftone_last_message()) == 0, "no message before the first failure");
  check((halftone_features() & HALFTONE_FEATURE_HOST) != 0, "host requests are served");
  check(strncmp(halftone_version(), "0.", 2) == 0, "version");

  halftone_request r = {sizeof r};
  r.q = q;
  r.k = k;
  r.v = v;
  r.o = o;
  r.lse = &lse;
  r.q_stride.seq = r.k_stride.seq = r.v_stride.seq = r.o_stride.seq = 2;
  r.seq_q = 1;
  r.seq_k = 2;
  r.batch = r.heads_q = r.heads_kv = 1;
  r.dim = 2;
  r.device = HALFTONE_HOST;
  r.scale = 1;
  check(halftone_block_sparse_attention(&r, NULL) == HALFTONE_OK, "dense attention");
  check(fabsf(o[0] - 1) < 1e-5f && fabsf(o[1] - 14) < 1e-5f, "the output");
  check(fabsf(lse - logf(4)) < 1e-5f, "the sum");
  check(strcmp(halftone_last_kernel(), "portable") == 0, "the kernel's name");

  halftone_selection s = {sizeof s};
  s.density = 1;
  size_t bytes = 0;
  check(halftone_workspace_bytes(&r, NULL, &s, &bytes) == HALFTONE_OK, "workspace size");
  r.workspace_bytes = (bytes + 255) / 256 * 256;
  r.workspace = aligned_alloc(256, r.workspace_bytes);
  halftone_selected selected = {sizeof selected};
  o[0] = -1;
  check(halftone_attention(&r, &s, &selected) == HALFTONE_OK, "selection and attention");
  check(fabsf(o[0] - 1) < 1e-5f, "the output over the selection");
  check(selected.outcome->kept == 1 && selected.outcome->visible == 1, "the only block is kept");
  check(selected.mask.row_ptr[1] == 1 && selected.mask.col_idx[0] == 0, "its place");
  free(r.workspace);

  r.size = 3;
  check(halftone_block_sparse_attention(&r, NULL) == HALFTONE_INVALID_ARGUMENT, "a struct of another size is refused");
  check(strstr(halftone_last_message(), "request size: got 3, expected ") != NULL, "with its size");
  printf("%s\n", failures ? "failed" : "passed");
  return failures != 0;
}
