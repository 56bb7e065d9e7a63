// Self-attention of whole sequences, for each example and head: softmax(Q Kᵀ / √D) V.
//
// Queries are what vectors run over: a block of W vectors of them meets all keys before the next,
// and scores [key][query] of one block are all that is held at a time. Keys that nobody may see are
// left out from the start. The backward pass finds the weights again from their sums.

#include "vectors.h"

namespace {

#if defined(__AVX512F__)
constexpr int TALL = 12;  // rows of 2 vectors whose sums fill the registers
#else
constexpr int TALL = 5;
#endif
constexpr int W = 2;

// A matrix whose entry (row, column) lies at row * by_row + column * by_column.
template <class S> struct Matrix {
    const S* at;
    int by_row, by_column;
};

template <class S, int M, int N>
void tile(int K, Matrix<S> a, const S* b, int b_row, S* c, int c_row, bool add) {
    Vector<S> sum[M][N];
    for (int m = 0; m < M; m++)
        for (int n = 0; n < N; n++)
            sum[m][n] = add ? load(c + m * c_row + n * LANES<S>) : Vector<S>{};
    for (int k = 0; k < K; k++) {
        Vector<S> row[N];
        for (int n = 0; n < N; n++) row[n] = load(b + k * b_row + n * LANES<S>);
        for (int m = 0; m < M; m++)
            for (int n = 0; n < N; n++) sum[m][n] += a.at[m * a.by_row + k * a.by_column] * row[n];
    }
    for (int m = 0; m < M; m++)
        for (int n = 0; n < N; n++) store(c + m * c_row + n * LANES<S>, sum[m][n]);
}

template <class S, int N, int M = TALL>
void rows(int count, int K, Matrix<S> a, const S* b, int b_row, S* c, int c_row, bool add) {
    if (count == M) return tile<S, M, N>(K, a, b, b_row, c, c_row, add);
    if constexpr (M > 1) rows<S, N, M - 1>(count, K, a, b, b_row, c, c_row, add);
}

// c (M, N vectors) = a (M, K) @ b (K, N vectors), or c plus that; in tiles as high as each other.
template <class S, int N>
void multiply(
    int M, int K, Matrix<S> a, const S* b, int b_row, S* c, int c_row, bool add = false
) {
    int tiles = (M + TALL - 1) / TALL;
    for (ptrdiff_t i = 0, m = 0; i < tiles; i++) {
        int count = (M - m + tiles - i - 1) / (tiles - i);
        Matrix<S> part = {a.at + m * a.by_row, a.by_row, a.by_column};
        rows<S, N>(count, K, part, b, b_row, c + m * c_row, c_row, add);
        m += count;
    }
}

// A vector times a scale, turned by its step's angles if there are any; or the gradient of one that
// was, turned back.
template <class S, bool BACK>
void turn(int D, const S* x, S scale, const S* cosine, const S* sine, S* to) {
    const int half = cosine ? D / 2 : 0;
    for (int i = 0, j = half; i < half; i++, j++) {
        to[i] = scale * (x[i] * cosine[i] + x[j] * sine[BACK ? j : i]);
        to[j] = scale * (x[j] * cosine[j] + x[i] * sine[BACK ? i : j]);
    }
    for (int i = 2 * half; i < D; i++) to[i] = scale * x[i];
}

// What a pass over one example and head reads.
template <class S> struct Head {
    const int T, D, padded;  // padded: queries in whole blocks
    int keys = 0;            // that may be seen
    Scratch<S> queries, query;     // divided by √D, as [D][padded] and as [padded][deep]
    Scratch<S> key, value;         // [T][D]
    std::unique_ptr<int[]> place;  // of each key in time

    static constexpr int block() { return W * LANES<S>; }
    static int deep(int D) { return (D + LANES<S> - 1) / LANES<S> * LANES<S>; }

    Head(int T, int D)
        : T(T), D(D), padded((T + block() - 1) / block() * block()),
          queries(room(D, padded)), query(room(deep(D), padded)), key(room(T, D)),
          value(room(T, D)), place(new int[T]) {}

    static Scratch<S> room(int rows, int columns) {
        return scratch<S>(static_cast<size_t>(rows) * columns);
    }

    // projected: of this example and head, steps `stride` apart, and Q, K, V `part` apart.
    // cosine, sine: (T, D), or null; mask: (T), or null.
    void read(
        const S* projected, int stride, int part, const S* cosine, const S* sine,
        const uint8_t* mask
    ) {
        const S scale = 1 / std::sqrt(static_cast<S>(D));
        const int wide = deep(D);
        std::memset(queries.get(), 0, sizeof(S) * D * padded);
        std::memset(query.get(), 0, sizeof(S) * wide * padded);
        keys = 0;
        for (int t = 0; t < T; t++) {
            const S *q = projected + static_cast<size_t>(t) * stride, *k = q + part, *v = k + part;
            S *to_q = query.get() + t * wide, *to_k = key.get() + keys * D;
            const S *c = cosine ? cosine + t * D : nullptr, *s = sine + t * D;
            turn<S, false>(D, q, scale, c, s, to_q);
            turn<S, false>(D, k, 1, c, s, to_k);
            for (int i = 0; i < D; i++) queries[i * padded + t] = to_q[i];
            if (mask && !mask[t]) continue;
            copy(value.get() + keys * D, v, D);
            place[keys++] = t;
        }
    }

    // How many keys the block of queries from `begin` on may see.
    int seen(int begin, bool causal) const {
        return causal && begin + block() < keys ? begin + block() : keys;
    }

    // Scores [key][block].
    void scores(int begin, int count, S* to) const {
        multiply<S, W>(
            count, D, {key.get(), D, 1}, queries.get() + begin, padded, to, block()
        );
    }
};

// The w-th vector of a block without the queries that come before a key `ahead` of the first.
template <class S> Vector<S> since(int ahead, int w, Vector<S> x, S otherwise) {
    for (int l = 0; l < LANES<S>; l++) x[l] = w * LANES<S> + l < ahead ? otherwise : x[l];
    return x;
}

template <class S> Vector<S> largest(Vector<S> a, Vector<S> b) { return a > b || a != a ? a : b; }

// sums: for each head and block, the highest score of each query, and one over their weights' sum.
template <class S>
void attention(
    int B, int T, int H, int D, bool causal, const S* projected, const S* cosine, const S* sine,
    const uint8_t* mask, S* result, S* sums
) {
    constexpr int L = LANES<S>, BLOCK = Head<S>::block();
    Head<S> head(T, D);
    auto memory = scratch<S>(static_cast<size_t>(T) * BLOCK);
    auto joined = scratch<S>(static_cast<size_t>(D) * BLOCK);
    for (int b = 0; b < B; b++)
        for (int h = 0; h < H; h++, sums += 2 * head.padded) {
            const S* from = projected + static_cast<size_t>(b) * T * 3 * H * D + h * D;
            head.read(from, 3 * H * D, H * D, cosine, sine, mask ? mask + b * T : nullptr);
            for (int begin = 0; begin < T; begin += BLOCK) {
                const int count = head.seen(begin, causal);
                S* scores = memory.get();
                head.scores(begin, count, scores);
                Vector<S> highest[W], sum[W] = {};
                for (int w = 0; w < W; w++) {
                    highest[w] = Vector<S>{} - INFINITY;
                    for (int s = 0; s < count; s++) {
                        Vector<S> score = load(scores + s * BLOCK + w * L);
                        if (causal && s > begin) score = since<S>(s - begin, w, score, -INFINITY);
                        highest[w] = largest<S>(highest[w], score);
                    }
                }
                for (int s = 0; s < count; s++)
                    for (int w = 0; w < W; w++) {
                        S* at = scores + s * BLOCK + w * L;
                        Vector<S> p = exp_below(load(at) - highest[w]);
                        if (causal && s > begin) p = since<S>(s - begin, w, p, 0);
                        sum[w] += p;
                        store(at, p);
                    }
                multiply<S, W>(
                    D, count, {head.value.get(), 1, D}, scores, BLOCK, joined.get(), BLOCK
                );
                for (int w = 0; w < W; w++) {
                    Vector<S> share = count ? 1 / sum[w] : Vector<S>{};
                    store(sums + begin + w * L, highest[w]);
                    store(sums + head.padded + begin + w * L, share);
                    for (int i = 0; i < D; i++) {
                        S* at = joined.get() + i * BLOCK + w * L;
                        store(at, load(at) * share);
                    }
                }
                for (int t = begin; t < T && t < begin + BLOCK; t++)
                    for (int i = 0; i < D; i++)
                        result[((static_cast<size_t>(b) * T + t) * H + h) * D + i] =
                            joined[i * BLOCK + t - begin];
            }
        }
}

// to (count, D) += weights (count, block) @ rows (block, D), both D padded to whole vectors.
template <class S>
void gather(int D, int count, const S* weights, const S* rows, int wide, S* to) {
    constexpr int BLOCK = Head<S>::block(), L = LANES<S>;
    int i = 0;
    for (; i + 2 * L <= Head<S>::deep(D); i += 2 * L)
        multiply<S, 2>(count, BLOCK, {weights, BLOCK, 1}, rows + i, wide, to + i, wide, true);
    if (i < D)
        multiply<S, 1>(count, BLOCK, {weights, BLOCK, 1}, rows + i, wide, to + i, wide, true);
}

template <class S>
void attention_backward(
    int B, int T, int H, int D, bool causal, const S* projected, const S* cosine, const S* sine,
    const uint8_t* mask, const S* sums, const S* gradient, S* result
) {
    constexpr int L = LANES<S>, BLOCK = Head<S>::block();
    Head<S> head(T, D);
    const int wide = Head<S>::deep(D), part = H * D, stride = 3 * part;
    const S scale = 1 / std::sqrt(static_cast<S>(D));
    const size_t block = static_cast<size_t>(T) * BLOCK, deep = static_cast<size_t>(T) * wide;
    auto weights = scratch<S>(block), slopes = scratch<S>(block);
    auto to_key = scratch<S>(deep), to_value = scratch<S>(deep);
    auto arriving = scratch<S>(static_cast<size_t>(BLOCK) * wide);  // [query][wide]
    auto across_block = scratch<S>(static_cast<size_t>(D) * BLOCK);  // [D][query]
    auto row = scratch<S>(D);
    std::memset(result, 0, sizeof(S) * B * T * stride);
    for (int b = 0; b < B; b++)
        for (int h = 0; h < H; h++, sums += 2 * head.padded) {
            const size_t first = static_cast<size_t>(b) * T * stride + h * D;
            head.read(projected + first, stride, part, cosine, sine, mask ? mask + b * T : nullptr);
            std::memset(to_key.get(), 0, sizeof(S) * deep);
            std::memset(to_value.get(), 0, sizeof(S) * deep);
            for (int begin = 0; begin < T; begin += BLOCK) {
                const int count = head.seen(begin, causal);
                std::memset(arriving.get(), 0, sizeof(S) * BLOCK * wide);
                std::memset(across_block.get(), 0, sizeof(S) * D * BLOCK);
                for (int t = begin; t < T && t < begin + BLOCK; t++)
                    for (int i = 0; i < D; i++) {
                        S g = gradient[((static_cast<size_t>(b) * T + t) * H + h) * D + i];
                        arriving[(t - begin) * wide + i] = g;
                        across_block[i * BLOCK + t - begin] = g;
                    }
                head.scores(begin, count, weights.get());
                multiply<S, W>(
                    count, D, {head.value.get(), D, 1}, across_block.get(), BLOCK, slopes.get(),
                    BLOCK
                );
                for (int w = 0; w < W; w++) {
                    Vector<S> highest = load(sums + begin + w * L), mean = {};
                    Vector<S> share = load(sums + head.padded + begin + w * L);
                    for (int s = 0; s < count; s++) {
                        S* at = weights.get() + s * BLOCK + w * L;
                        Vector<S> p = exp_below(load(at) - highest) * share;
                        if (causal && s > begin) p = since<S>(s - begin, w, p, 0);
                        mean += p * load(slopes.get() + s * BLOCK + w * L);
                        store(at, p);
                    }
                    for (int s = 0; s < count; s++) {
                        S* at = slopes.get() + s * BLOCK + w * L;
                        store(at, load(weights.get() + s * BLOCK + w * L) * (load(at) - mean));
                    }
                }
                gather<S>(D, count, weights.get(), arriving.get(), wide, to_value.get());
                gather<S>(
                    D, count, slopes.get(), head.query.get() + begin * wide, wide, to_key.get()
                );
                multiply<S, W>(
                    D, count, {head.key.get(), 1, D}, slopes.get(), BLOCK, across_block.get(),
                    BLOCK
                );
                for (int t = begin; t < T && t < begin + BLOCK; t++) {
                    for (int i = 0; i < D; i++) row[i] = across_block[i * BLOCK + t - begin];
                    const S *c = cosine ? cosine + t * D : nullptr, *s = sine + t * D;
                    turn<S, true>(D, row.get(), scale, c, s, result + first + t * stride);
                }
            }
            for (int k = 0; k < head.keys; k++) {
                const int t = head.place[k];
                const S *c = cosine ? cosine + t * D : nullptr, *s = sine + t * D;
                S* to = result + first + static_cast<size_t>(t) * stride + part;
                turn<S, true>(D, to_key.get() + k * wide, 1, c, s, to);
                copy(to + part, to_value.get() + k * wide, D);
            }
        }
}

}  // namespace

// As the library exports them: sizes B, T, H, D and whether causal; then tensors.
#define EXPORT(S)                                                                                 \
    extern "C" void attention_##S(const int* n, void** p) {                                       \
        auto t = reinterpret_cast<S**>(p);                                                        \
        attention<S>(n[0], n[1], n[2], n[3], n[4], t[0], t[1], t[2], (uint8_t*)p[3], t[4], t[5]); \
    }                                                                                             \
    extern "C" void attention_backward_##S(const int* n, void** p) {                              \
        auto t = reinterpret_cast<S**>(p);                                                        \
        attention_backward<S>(                                                                    \
            n[0], n[1], n[2], n[3], n[4], t[0], t[1], t[2], (uint8_t*)p[3], t[4], t[5], t[6]      \
        );                                                                                        \
    }

EXPORT(float)
EXPORT(double)
