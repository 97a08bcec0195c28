/* Halftone from C: block-sparse attention, and attention over the blocks that the halftone pattern selects.
 *
 * Calls take plain structs of pointers, sizes and strides. The pointers lie in host memory or in the memory of one CUDA
 * device, as `device` says. Calls on a CUDA device enqueue work on the caller's stream and return: they neither allocate
 * nor wait, and may be captured into a CUDA graph. Calls on host memory return when the work is done; they run one at a
 * time, whatever the thread. Every function may be called from any thread.
 *
 * The program need not know of Kokkos: the first call on host memory initialises it unless the program has, and what the
 * library has initialised it finalises at exit.
 *
 * Structs begin with their size, which the caller sets: `halftone_request r = {sizeof r};` leaves everything else 0,
 * a valid default wherever a comment says so. Later versions add fields at the end only. */
#ifndef HALFTONE_H
#define HALFTONE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a call came to. Unless it is HALFTONE_OK, halftone_last_message() says more and nothing has been enqueued. */
typedef enum halftone_status {
  HALFTONE_OK = 0,
  HALFTONE_INVALID_ARGUMENT = 1, /* an argument has a value that no kernel could accept */
  HALFTONE_UNSUPPORTED = 2,      /* no kernel, or not the one asked for, serves the request */
  HALFTONE_OUT_OF_MEMORY = 3,    /* of the host */
  HALFTONE_FAILED = 4            /* anything else, such as an error of CUDA; work may have been enqueued */
} halftone_status;

/* Element types of q, k, v and o; arithmetic is in float32. HALFTONE_FLOAT32 is served on host memory only. */
enum { HALFTONE_FLOAT32 = 0, HALFTONE_FLOAT16 = 1, HALFTONE_BFLOAT16 = 2 };

/* `device` of requests whose pointers lie in host memory. */
enum { HALFTONE_HOST = -1 };

/* What the library was built with: flags of halftone_features(). */
enum {
  HALFTONE_FEATURE_HOST = 1,     /* requests in host memory */
  HALFTONE_FEATURE_SM90 = 2,     /* the kernels for compute capability 9.0, halftone_attention among them */
  HALFTONE_FEATURE_WMMA = 4      /* the kernel for compute capability 8.0 and up */
};

/* Strides in elements; the head dimension is contiguous. */
typedef struct halftone_strides {
  int64_t batch, head, seq;
} halftone_strides;

/* Attention for queries i and keys j of one sequence and head:
 *   O_i = sum_j P_ij V_j,  P = softmax over the keys that count of scale Q_i.K_j
 * Query head h reads key and value head h / (heads_q / heads_kv). With different lengths the causal diagonal ends at the
 * last query and the last key: key j is visible to query i when j <= i + len_k - len_q. A query with nothing to attend
 * gives O = 0 and lse = -infinity. */
typedef struct halftone_request {
  size_t size;                 /* sizeof(halftone_request) */
  const void* q;               /* [batch, heads_q, seq_q, dim]; packed: [heads_q, total_q, dim] */
  const void* k;               /* [batch, heads_kv, seq_k, dim]; packed: [heads_kv, total_k, dim] */
  const void* v;               /* as k */
  void* o;                     /* as q */
  float* lse;                  /* natural log of the softmax denominator, or null; contiguous [batch, heads_q, seq_q],
                                  packed: [heads_q, total_q] */
  float* far_mass;             /* share of the softmax that landmarks received, shape of lse; or null */
  const float* sink;           /* [heads_q] one extra logit per head, without a value; or null */
  const int32_t* cu_seqlens_q; /* [batch + 1] starts of the packed sequences; null: not packed */
  const int32_t* cu_seqlens_k; /* [batch + 1]; null exactly when cu_seqlens_q is */
  void* workspace;             /* halftone_workspace_bytes() bytes at a multiple of 256, the call's until its work is
                                  done */
  void* stream;                /* cudaStream_t; null: the default stream; host memory: not used */
  size_t workspace_bytes;      /* bytes at `workspace` */
  halftone_strides q_stride, k_stride, v_stride, o_stride; /* packed: batch is ignored */
  int64_t seq_q, seq_k;        /* lengths; packed: of the longest sequence, or more */
  int64_t total_q, total_k;    /* packed: rows of q and of k in all; otherwise not used */
  int32_t batch;               /* sequences */
  int32_t heads_q, heads_kv;   /* heads_q is a multiple of heads_kv */
  int32_t dim;                 /* of a head */
  int32_t dtype;               /* HALFTONE_FLOAT32, HALFTONE_FLOAT16 or HALFTONE_BFLOAT16 */
  int32_t device;              /* number of the CUDA device that all pointers lie on, or HALFTONE_HOST */
  int32_t causal;              /* 0 or 1 */
  float scale;                 /* 0: 1 / sqrt(dim) */
  const char* kernel;          /* "sm90", "wmma"; in host memory "portable", "reference"; null or "auto": the best that
                                  serves the request */
} halftone_request;

/* What decides inside a kept block, as flags; 0: every (query, key) pair of it counts. A pair counts when every flagged
 * rule allows it. */
enum {
  HALFTONE_BLOCK_CAUSAL = 1, /* key <= query + (len_k - len_q) */
  HALFTONE_BLOCK_WINDOW = 2, /* -window_right <= query + (len_k - len_q) - key <= window_left */
  HALFTONE_BLOCK_RAGGED = 4, /* the block crosses the end of the queries or of the keys */
  HALFTONE_BLOCK_BITS = 8    /* explicit bits */
};

/* Block-CSR mask: row (batch, head, query tile) keeps key blocks col_idx[row_ptr[row]] to col_idx[row_ptr[row + 1] - 1].
 * Tiles and blocks count from the start of their own sequence, also in packed batches. In host memory the mask is
 * checked at each call; in device memory it is trusted. */
typedef struct halftone_block_mask {
  size_t size;               /* sizeof(halftone_block_mask) */
  const int64_t* row_ptr;    /* [batch * heads * tiles + 1] */
  const int32_t* col_idx;    /* [kept] ascending within a row */
  const uint8_t* kind;       /* [kept] HALFTONE_BLOCK_ flags */
  const int32_t* bits_index; /* [kept] index into bits of blocks with HALFTONE_BLOCK_BITS; null when none has */
  const uint64_t* bits;      /* [bit_blocks, block_q, block_k / 64]; bit j of word w: key 64 w + j */
  int64_t kept, bit_blocks;
  int64_t window_left, window_right; /* keys; used by HALFTONE_BLOCK_WINDOW */
  int32_t batch;             /* the request's, or 1: shared by the batch */
  int32_t heads;             /* heads_q, heads_kv or 1: a divisor of heads_q */
  int32_t tiles, blocks;     /* ceil(seq_q / block_q), ceil(seq_k / block_k) */
  int32_t block_q, block_k;  /* block_k: a multiple of 64; on CUDA devices 128 x 64 or 128 x 128 */
} halftone_block_mask;

/* How blocks are chosen: by the root mean square, over queries that stand for a tile of 128, of the estimated share of
 * their softmax that falls into the block, times the head's weight. Exactly one of tolerance and density is not 0. */
typedef struct halftone_selection {
  size_t size;              /* sizeof(halftone_selection) */
  const float* head_weight; /* [heads_q], at least 0; null: 1 */
  const uint8_t* gate;      /* [heads_q] 1: landmarks on; null: on for all, with `landmarks` */
  double tolerance;         /* keep blocks whose score exceeds it; 0: find it from density */
  double density;           /* kept over visible blocks, in (0, 1]; 0: use tolerance */
  int32_t landmarks;        /* 1: represent what is left out by block summaries */
  int32_t block_k;          /* keys per block, 64 or 128; 0: 64 */
  int32_t micro_block;      /* keys per micro-block, 4, 8, 16, 32 or 64, on the host also 1; 0: 8 */
  int32_t representatives;  /* queries that stand for a tile, a power of two up to 64; 0: 16 */
  int32_t sink_blocks;      /* leading blocks that are always kept; 0: 1; negative: none */
  int32_t local_blocks;     /* blocks beside those of the diagonal that are always kept; 0: 1; negative: none */
  int32_t shared_lists;     /* 1: one list per key-value head, by the root mean square of its query heads' scores; on
                               the host, and on a device where heads_q is heads_kv */
  int32_t reserved;         /* 0 */
} halftone_selection;

/* What a selection came to; lies where the request's pointers lie. */
typedef struct halftone_outcome {
  int64_t visible;     /* blocks that hold a visible pair, over all rows of the mask */
  int64_t forced;      /* of these, always kept */
  int64_t kept;
  float tolerance;     /* that was applied; -1 where the density asks for every block */
  uint32_t not_finite; /* scores that were not finite numbers; none of their blocks is kept (an error in host memory) */
} halftone_outcome;

/* Where a selection lies in the request's workspace, once the call's work is done and until the workspace is used
 * again. `mask.kept` is what there is room for: outcome->kept says how many there are. */
typedef struct halftone_selected {
  size_t size; /* sizeof(halftone_selected) */
  const halftone_outcome* outcome;
  halftone_block_mask mask;
} halftone_selected;

#if defined(_WIN32)
#define HALFTONE_API
#else
#define HALFTONE_API __attribute__((visibility("default")))
#endif

/* "0.1.0", or "0.1.0-g<commit>" from a checkout. */
HALFTONE_API const char* halftone_version(void);

/* HALFTONE_FEATURE_ flags. */
HALFTONE_API uint32_t halftone_features(void);

/* Why this thread's last call failed, in one line: what was wrong and what was expected. "" before the first failure.
 * The text stays until the thread's next failure. */
HALFTONE_API const char* halftone_last_message(void);

/* The kernel that served this thread's last successful attention call; "" before the first. */
HALFTONE_API const char* halftone_last_kernel(void);

/* Bytes that halftone_attention (with a selection) or halftone_block_sparse_attention (without; with its mask or null)
 * needs as workspace; may be 0. Of the request's tensors only the alignment counts; its workspace is not looked at. */
HALFTONE_API halftone_status halftone_workspace_bytes(const halftone_request* request, const halftone_block_mask* mask,
                                                      const halftone_selection* selection, size_t* bytes);

/* Attention over the blocks of a mask; null: over all. Fills o, and lse and far_mass (with 0) where they are given. */
HALFTONE_API halftone_status halftone_block_sparse_attention(const halftone_request* request,
                                                             const halftone_block_mask* mask);

/* Chooses blocks from q and k and attends to them, on float16 and bfloat16 of head dims that are multiples of 8 up to
 * 128 on devices of compute capability 9.0, on anything in host memory. Fills o, and lse and far_mass where they are
 * given; `selected`, where it is given, says where to find what was chosen. In host memory the workspace serves only for
 * that, and scores that are not finite are an error. */
HALFTONE_API halftone_status halftone_attention(const halftone_request* request, const halftone_selection* selection,
                                                halftone_selected* selected);

#ifdef __cplusplus
}
#endif

#endif
