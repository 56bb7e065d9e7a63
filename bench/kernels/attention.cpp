// Self-attention of whole sequences, for each example and head: softmax(Q Kᵀ / √D) V.
//
// Queries are what vectors run over: a block of W vectors of them meets all keys before the next,
// and scores [key][query] of one block are all that is held at a time. Keys that nobody may see are
// left out from the start. Weights are powers of two, of scores times log2(e). The backward pass
// finds them again from their sums, for some keys at a time, which the nearest cache holds.

#include "blocks.h"

namespace {

constexpr int KEYS = 64;  // that a block of queries meets at a time in the backward pass

// A vector times a scale, turned by its step's angles if there are any; or the gradient of one that
// was, turned back.
template <class S, bool BACK>
void turn(
    int D, const S* __restrict x, S scale, const S* __restrict cosine, const S* __restrict sine,
    S* __restrict to
) {
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
    Scratch<S> queries, query;     // [D][padded] times log2(e) / √D; [padded][deep] by √D
    Scratch<S> key, value;         // [T][D]
    std::unique_ptr<int[]> place;  // of each key in time

    Head(int T, int D)
        : T(T), D(D), padded((T + BLOCK<S> - 1) / BLOCK<S> * BLOCK<S>),
          queries(room(D, padded)), query(room(deep<S>(D), padded)), key(room(T, D)),
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
        const int wide = deep<S>(D);
        std::memset(queries.get(), 0, sizeof(S) * D * padded);
        std::memset(query.get(), 0, sizeof(S) * wide * padded);
        keys = 0;
        for (int t = 0; t < T; t++) {
            const S *q = projected + static_cast<size_t>(t) * stride, *k = q + part, *v = k + part;
            S *to_q = query.get() + t * wide, *to_k = key.get() + keys * D;
            const S *c = cosine ? cosine + t * D : nullptr, *s = sine + t * D;
            turn<S, false>(D, q, scale, c, s, to_q);
            turn<S, false>(D, k, 1, c, s, to_k);
            for (int i = 0; i < D; i++) queries[i * padded + t] = to_q[i] * static_cast<S>(M_LOG2E);
            if (mask && !mask[t]) continue;
            copy(value.get() + keys * D, v, D);
            place[keys++] = t;
        }
    }

    // How many keys the block of queries from `begin` on may see.
    int seen(int begin, bool causal) const {
        return causal ? std::min(begin + BLOCK<S>, keys) : keys;
    }

    // Scores [key][block] of `count` keys from the `first` on.
    void scores(int begin, int first, int count, S* to) const {
        const Matrix<S> keys = {key.get() + first * D, D, 1};
        multiply<S, W>(count, D, keys, queries.get() + begin, padded, to, BLOCK<S>);
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
    constexpr int L = LANES<S>;
    Head<S> head(T, D);
    auto memory = scratch<S>(static_cast<size_t>(T) * BLOCK<S>);
    auto joined = scratch<S>(static_cast<size_t>(D) * BLOCK<S>);
    for (int b = 0; b < B; b++)
        for (int h = 0; h < H; h++, sums += 2 * head.padded) {
            const S* from = projected + static_cast<size_t>(b) * T * 3 * H * D + h * D;
            head.read(from, 3 * H * D, H * D, cosine, sine, mask ? mask + b * T : nullptr);
            for (int begin = 0; begin < T; begin += BLOCK<S>) {
                const int count = head.seen(begin, causal);
                S* scores = memory.get();
                head.scores(begin, 0, count, scores);
                Vector<S> highest[W], sum[W] = {};
                for (int w = 0; w < W; w++) {
                    highest[w] = Vector<S>{} - INFINITY;
                    for (int s = 0; s < count; s++) {
                        Vector<S> score = load(scores + s * BLOCK<S> + w * L);
                        if (causal && s > begin) score = since<S>(s - begin, w, score, -INFINITY);
                        highest[w] = largest<S>(highest[w], score);
                    }
                }
                for (int s = 0; s < count; s++)
                    for (int w = 0; w < W; w++) {
                        S* at = scores + s * BLOCK<S> + w * L;
                        Vector<S> p = exp2_below(load(at) - highest[w]);
                        if (causal && s > begin) p = since<S>(s - begin, w, p, 0);
                        sum[w] += p;
                        store(at, p);
                    }
                multiply<S, W>(
                    D, count, {head.value.get(), 1, D}, scores, BLOCK<S>, joined.get(), BLOCK<S>
                );
                for (int w = 0; w < W; w++) {
                    Vector<S> share = count ? 1 / sum[w] : Vector<S>{};
                    store(sums + begin + w * L, highest[w]);
                    store(sums + head.padded + begin + w * L, share);
                    for (int i = 0; i < D; i++) {
                        S* at = joined.get() + i * BLOCK<S> + w * L;
                        store(at, load(at) * share);
                    }
                }
                S* to = result + ((static_cast<size_t>(b) * T + begin) * H + h) * D;
                returned(std::min(BLOCK<S>, T - begin), D, H * D, joined.get(), to);
            }
        }
}

// read: what the heads read, the forward pass's result, like its gradient.
template <class S>
void attention_backward(
    int B, int T, int H, int D, bool causal, const S* projected, const S* cosine, const S* sine,
    const uint8_t* mask, const S* read, const S* sums, const S* gradient, S* result
) {
    constexpr int L = LANES<S>;
    Head<S> head(T, D);
    const int wide = deep<S>(D), part = H * D, stride = 3 * part;
    const S scale = 1 / std::sqrt(static_cast<S>(D));
    const size_t padded = static_cast<size_t>(T) * wide;
    auto weights = scratch<S>(KEYS * BLOCK<S>), slopes = scratch<S>(KEYS * BLOCK<S>);
    auto to_key = scratch<S>(padded), to_value = scratch<S>(padded);
    auto arriving = scratch<S>(static_cast<size_t>(BLOCK<S>) * wide);  // [query][wide]
    auto columns = scratch<S>(static_cast<size_t>(D) * BLOCK<S>);       // the same as [D][query]
    auto to_query = scratch<S>(static_cast<size_t>(D) * BLOCK<S>);
    auto row = scratch<S>(D);
    std::memset(result, 0, sizeof(S) * B * T * stride);
    for (int b = 0; b < B; b++)
        for (int h = 0; h < H; h++, sums += 2 * head.padded) {
            const size_t first = static_cast<size_t>(b) * T * stride + h * D;
            head.read(projected + first, stride, part, cosine, sine, mask ? mask + b * T : nullptr);
            std::memset(to_key.get(), 0, sizeof(S) * padded);
            std::memset(to_value.get(), 0, sizeof(S) * padded);
            for (int begin = 0; begin < T; begin += BLOCK<S>) {
                const int count = head.seen(begin, causal), steps = std::min(BLOCK<S>, T - begin);
                const size_t at = (static_cast<size_t>(b) * T + begin) * part + h * D;
                Vector<S> mean[W] = {};  // of the slopes of a query, by its weights
                turned(steps, D, part, read + at, to_query.get());
                turned(steps, D, part, gradient + at, columns.get());
                for (int i = 0; i < D; i++)
                    for (int w = 0; w < W; w++) {
                        const int j = i * BLOCK<S> + w * L;
                        mean[w] += load(to_query.get() + j) * load(columns.get() + j);
                    }
                std::memset(to_query.get(), 0, sizeof(S) * D * BLOCK<S>);
                std::memset(arriving.get(), 0, sizeof(S) * BLOCK<S> * wide);
                for (int t = 0; t < steps; t++)
                    copy(arriving.get() + t * wide, gradient + at + t * part, D);
                for (int some = 0; some < count; some += KEYS) {
                    const int keys = std::min(KEYS, count - some);
                    head.scores(begin, some, keys, weights.get());
                    multiply<S, W>(
                        keys, D, {head.value.get() + some * D, D, 1}, columns.get(), BLOCK<S>,
                        slopes.get(), BLOCK<S>
                    );
                    for (int w = 0; w < W; w++) {
                        Vector<S> highest = load(sums + begin + w * L);
                        Vector<S> share = load(sums + head.padded + begin + w * L);
                        for (int s = 0; s < keys; s++) {
                            const int j = s * BLOCK<S> + w * L, ahead = some + s - begin;
                            Vector<S> p = exp2_below(load(weights.get() + j) - highest) * share;
                            if (causal && ahead > 0) p = since<S>(ahead, w, p, 0);
                            store(weights.get() + j, p);
                            store(slopes.get() + j, p * (load(slopes.get() + j) - mean[w]));
                        }
                    }
                    const Matrix<S> p = {weights.get(), BLOCK<S>, 1}, q = {slopes.get(), BLOCK<S>, 1};
                    const S* query = head.query.get() + begin * wide;
                    S *key = to_key.get() + some * wide, *value = to_value.get() + some * wide;
                    gather<S>(keys, BLOCK<S>, D, p, arriving.get(), wide, value);
                    gather<S>(keys, BLOCK<S>, D, q, query, wide, key);
                    multiply<S, W>(
                        D, keys, {head.key.get() + some * D, 1, D}, slopes.get(), BLOCK<S>,
                        to_query.get(), BLOCK<S>, true
                    );
                }
                for (int t = begin; t < begin + steps; t++) {
                    for (int i = 0; i < D; i++) row[i] = to_query[i * BLOCK<S> + t - begin];
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
            n[0], n[1], n[2], n[3], n[4], t[0], t[1], t[2], (uint8_t*)p[3], t[4], t[5], t[6],     \
            t[7]                                                                                  \
        );                                                                                        \
    }

EXPORT(float)
EXPORT(double)
