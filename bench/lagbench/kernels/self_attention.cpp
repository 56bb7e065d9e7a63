// A residual layer of self-attention on whole sequences: x + out_proj(heads of in_proj(norm(x))), where
// a head is softmax(Q Kᵀ / √d) V.
//
// Vectors run over steps, as [feature][step], one example after another. A block of queries is
// multiplied with some keys at a time, and only these scores [key][query] are held. Masked keys are removed first.
// Weights are powers of two, of scores times log2(e). The backward pass computes them again from the
// saved sums.

#include "stepwise.h"

namespace {

constexpr int KEYS = 64;  // keys at a time, which fit the nearest cache
constexpr int NEAR = 40;  // 2 to the power of ± this is neither too large nor too small a weight

struct Sizes {
    int R, B, T, D, H;  // replicas, examples, steps, features, heads
    bool causal;
    int d() const { return D / H; }
};

// The weights of a replica, or their gradients.
template <class S> struct Parameters {
    S *scale, *shift, *in_proj, *out_proj, *bias;

    void next(int D) { scale += D, shift += D, in_proj += 3 * D * D, out_proj += D * D, bias += D; }
};

// What is saved of an example for the backward pass, in rows `padded` apart.
template <class S> struct Saved {
    S *query, *key, *value, *attended;  // [D][step] each; attended: the heads' outputs
    S *highest, *share;  // [H][step]: each query's highest score, and one over the sum of its weights

    Saved(S* at, int D, int H, size_t padded)
        : query(at), key(query + D * padded), value(key + D * padded), attended(value + D * padded),
          highest(attended + D * padded), share(highest + H * padded) {}
};

// A head of it, or of its gradients.
template <class S> struct Head {
    int d, padded;
    S *query, *key, *value, *attended, *highest, *share;

    Head(const Saved<S>& saved, int h, int d, int padded)
        : d(d), padded(padded), query(saved.query + h * d * padded),
          key(saved.key + h * d * padded), value(saved.value + h * d * padded),
          attended(saved.attended + h * d * padded), highest(saved.highest + h * padded),
          share(saved.share + h * padded) {}
};

// Cosines and sines of every step's angles; empty where nothing is rotated.
template <class S, int W> class Rotation {
    const int d, padded;
    Scratch<S> cosine, sine;  // [d][step]

public:
    Rotation(int T, int d, int padded, const S* cosines, const S* sines)
        : d(cosines ? d : 0), padded(padded) {
        if (!cosines) return;
        cosine = scratch<S>(static_cast<size_t>(d) * padded);
        sine = scratch<S>(static_cast<size_t>(d) * padded);
        for_blocks<S, W>(T, [&](size_t begin, int count) {
            transposed<S, W>(count, d, d, cosines + begin * d, cosine.get() + begin, padded);
            transposed<S, W>(count, d, d, sines + begin * d, sine.get() + begin, padded);
        });
    }

    // Multiply vectors [size][step] by a factor and rotate them; BACK: by the negative angles.
    template <bool BACK> void rotate(int size, S factor, S* x) const {
        const int half = d / 2;
        for (int i = 0, j = half; i < half; i++, j++) {
            const S *c = cosine.get() + i * padded, *s = sine.get() + i * padded;
            const S *to_i = BACK ? s + half * padded : s, *to_j = BACK ? s : s + half * padded;
            for (int t = 0; t < padded; t += LANES<S>) {
                Vector<S> a = load(x + i * padded + t) * factor;
                Vector<S> b = load(x + j * padded + t) * factor;
                store(x + i * padded + t, a * load(c + t) + b * load(to_i + t));
                store(x + j * padded + t, b * load(c + half * padded + t) + a * load(to_j + t));
            }
        }
        for (int i = 2 * half; i < size; i++)
            for (int t = 0; t < padded; t += LANES<S>)
                store(x + i * padded + t, load(x + i * padded + t) * factor);
    }
};

// The steps of the keys that are not masked.
class Visible {
    std::unique_ptr<int[]> index;

public:
    const int T;
    int keys;

    explicit Visible(int T) : index(new int[T]), T(T), keys(T) {}

    // mask: (T), or null.
    void read(const uint8_t* mask) {
        keys = 0;
        for (int t = 0; t < T; t++)
            if (!mask || mask[t]) index[keys++] = t;
    }

    // Move these steps of a row to its front, with zeros after them.
    template <class S> void gather(S* row) const {
        for (int k = 0; k < keys; k++) row[k] = row[index[k]];
        std::memset(row + keys, 0, sizeof(S) * (T - keys));
    }

    // The inverse, with zeros for the others.
    template <class S> void scatter(S* row) const {
        for (int t = T - 1, k = keys - 1; t >= 0; t--)
            row[t] = k >= 0 && index[k] == t ? row[k--] : S();
    }
};

// The w-th vector of a block, `otherwise` for the queries before a key `ahead` of the first query.
template <class S> Vector<S> mask_future(int ahead, int w, Vector<S> x, S otherwise) {
    for (int l = 0; l < LANES<S>; l++) x[l] = w * LANES<S> + l < ahead ? otherwise : x[l];
    return x;
}

template <class S> Vector<S> largest(Vector<S> a, Vector<S> b) { return a > b || a != a ? a : b; }

// Scores [key][query] of some keys and the block of queries from `begin` on.
template <class S, int W> void score(const Head<S>& head, int begin, int first, int count, S* to) {
    const Matrix<S> keys = {head.key + first, 1, head.padded};
    multiply<S, W>(count, head.d, keys, head.query + begin, head.padded, to, BLOCK<S, W>);
}

// A bound of the squared scores of each query: |q|² times the largest |k|² of its keys.
template <class S> void score_bounds(const Head<S>& head, int keys, bool causal, S* to) {
    auto square = [&](const S* x, int t) {
        Vector<S> sum{};
        for (int i = 0; i < head.d; i++) {
            Vector<S> v = load(x + i * head.padded + t);
            sum += v * v;
        }
        return sum;
    };
    for (int t = 0; t < head.padded; t += LANES<S>) store(to + t, square(head.key, t));
    S largest_square = 0;
    for (int k = 0; k < keys; k++) {
        largest_square = to[k] <= largest_square ? largest_square : to[k];  // NaN is the largest
        if (causal) to[k] = largest_square;
    }
    for (int t = 0; t < head.padded; t += LANES<S>)
        store(to + t, square(head.query, t) * (causal ? load(to + t) : Vector<S>{} + largest_square));
}

// What is subtracted from the scores, so that no weight is too large: each query's highest score, or 0
// if the bounds are small.
template <class S, int W>
void highest_scores(
    const Head<S>& head, int begin, int count, bool causal, const S* bounds, S* scores,
    Vector<S>* highest
) {
    constexpr int L = LANES<S>;
    bool far = false;
    for (int t = 0; t < BLOCK<S, W>; t++) far |= !(bounds[begin + t] <= NEAR * NEAR);
    for (int w = 0; w < W; w++) highest[w] = far ? Vector<S>{} - INFINITY : Vector<S>{};
    for (int first = 0; far && first < count; first += KEYS) {
        const int some = std::min(KEYS, count - first);
        score<S, W>(head, begin, first, some, scores);
        for (int w = 0; w < W; w++)
            for (int k = 0; k < some; k++) {
                Vector<S> s = load(scores + k * BLOCK<S, W> + w * L);
                const int ahead = first + k - begin;
                if (causal && ahead > 0) s = mask_future<S>(ahead, w, s, -INFINITY);
                highest[w] = largest<S>(highest[w], s);
            }
    }
    for (int w = 0; far && w < W; w++)
        highest[w] = load(bounds + begin + w * L) <= NEAR * NEAR ? Vector<S>{} : highest[w];
}

// The attention of the block of queries from `begin` on over the first `count` keys.
template <class S, int W>
void attend(
    const Head<S>& head, int begin, int count, bool causal, const S* bounds, S* scores
) {
    constexpr int L = LANES<S>, block = BLOCK<S, W>;
    Vector<S> highest[W], sum[W] = {};
    highest_scores<S, W>(head, begin, count, causal, bounds, scores, highest);
    S* attended = head.attended + begin;
    for (int i = 0; i < head.d; i++) std::memset(attended + i * head.padded, 0, sizeof(S) * block);
    for (int first = 0; first < count; first += KEYS) {
        const int some = std::min(KEYS, count - first);
        score<S, W>(head, begin, first, some, scores);
        for (int k = 0; k < some; k++)
            for (int w = 0; w < W; w++) {
                S* at = scores + k * block + w * L;
                const int ahead = first + k - begin;
                Vector<S> p = exp2(load(at) - highest[w]);
                if (causal && ahead > 0) p = mask_future<S>(ahead, w, p, 0);
                sum[w] += p;
                store(at, p);
            }
        const Matrix<S> value = {head.value + first, head.padded, 1};
        multiply<S, W, true>(head.d, some, value, scores, block, attended, head.padded);
    }
    for (int w = 0; w < W; w++) {
        Vector<S> share = count ? 1 / sum[w] : Vector<S>{};
        store(head.highest + begin + w * L, highest[w]);
        store(head.share + begin + w * L, share);
        for (int i = 0; i < head.d; i++) {
            S* at = attended + i * head.padded + w * L;
            store(at, load(at) * share);
        }
    }
}

// The number of keys of the block of queries from `begin` on.
template <class S, int W> int key_count(int begin, int keys, bool causal) {
    return causal ? std::min(begin + BLOCK<S, W>, keys) : keys;
}

// The backward pass of a head.
template <class S, int W> class HeadBackward {
    static constexpr int L = LANES<S>, block = BLOCK<S, W>;
    const int d, wide;
    Scratch<S> weights, gradients;          // [key][query]
    Scratch<S> query, attended_rows;          // [query][wide]
    Scratch<S> to_key, to_value;         // [key][wide]

    static Scratch<S> empty(int rows, int columns) {
        return scratch<S>(static_cast<size_t>(rows) * columns);
    }

    // Weights, and gradients of scores, of the keys from `first` on.
    void score_gradients(
        const Head<S>& head, const Head<S>& to, int begin, int first, int keys, bool causal,
        const Vector<S>* mean
    ) {
        score<S, W>(head, begin, first, keys, weights.get());
        multiply<S, W>(
            keys, d, {head.value + first, 1, head.padded}, to.attended + begin, head.padded,
            gradients.get(), block
        );
        for (int w = 0; w < W; w++) {
            Vector<S> highest = load(head.highest + begin + w * L);
            Vector<S> share = load(head.share + begin + w * L);
            for (int k = 0; k < keys; k++) {
                const int j = k * block + w * L, ahead = first + k - begin;
                Vector<S> p = exp2(load(weights.get() + j) - highest) * share;
                if (causal && ahead > 0) p = mask_future<S>(ahead, w, p, 0);
                store(weights.get() + j, p);
                store(gradients.get() + j, p * (load(gradients.get() + j) - mean[w]));
            }
        }
    }

public:
    HeadBackward(int T, int d)
        : d(d), wide(padded_columns<S>(d)), weights(empty(KEYS, block)), gradients(empty(KEYS, block)),
          query(empty(block, wide)), attended_rows(empty(block, wide)),
          to_key(empty(T + block, wide)), to_value(empty(T + block, wide)) {}

    // to: the gradients of the head; that of `attended` is an input.
    void operator()(const Head<S>& head, const Head<S>& to, int T, int keys, bool causal) {
        const int padded = head.padded;
        std::memset(to_key.get(), 0, sizeof(S) * keys * wide);
        std::memset(to_value.get(), 0, sizeof(S) * keys * wide);
        for (int begin = 0; begin < T; begin += block) {
            const int count = key_count<S, W>(begin, keys, causal);
            Vector<S> mean[W] = {};  // of a query's gradients of weights, weighted
            for (int i = 0; i < d; i++)
                for (int w = 0; w < W; w++) {
                    const int j = i * padded + begin + w * L;
                    mean[w] += load(head.attended + j) * load(to.attended + j);
                    store(to.query + j, Vector<S>{});
                }
            transposed_rows<S, W>(d, head.query + begin, padded, query.get());
            transposed_rows<S, W>(d, to.attended + begin, padded, attended_rows.get());
            for (int first = 0; first < count; first += KEYS) {
                const int some = std::min(KEYS, count - first);
                score_gradients(head, to, begin, first, some, causal, mean);
                const Matrix<S> p = {weights.get(), block, 1}, q = {gradients.get(), block, 1};
                S *value_rows = to_value.get() + first * wide, *key_rows = to_key.get() + first * wide;
                multiply_add<S>(some, block, d, p, attended_rows.get(), wide, value_rows);
                multiply_add<S>(some, block, d, q, query.get(), wide, key_rows);
                multiply<S, W, true>(
                    d, some, {head.key + first, padded, 1}, gradients.get(), block, to.query + begin,
                    padded
                );
            }
        }
        for_blocks<S, W>(T, [&](int begin, int) {
            const int count = std::max(0, keys - begin), at = begin * wide;
            transposed<S, W>(count, d, wide, to_key.get() + at, to.key + begin, padded);
            transposed<S, W>(count, d, wide, to_value.get() + at, to.value + begin, padded);
        });
    }
};

template <class S, int W>
void self_attention(
    Sizes n, const S* x, Parameters<const S> weights, const S* cosine, const S* sine,
    const uint8_t* mask, S* result, S* saved
) {
    constexpr int block = BLOCK<S, W>;
    const int T = n.T, D = n.D, d = n.d(), padded = (T + block - 1) / block * block;
    Norm<S, W> norm(D);
    Rotation<S, W> rotation(T, d, padded, cosine, sine);
    Visible visible(T);
    auto scores = scratch<S>(KEYS * block), output = scratch<S>(D * block), bounds = scratch<S>(padded);
    for (int r = 0; r < n.R; r++, weights.next(D))
        for (int b = 0; b < n.B; b++) {
            Saved<S> of(saved, D, n.H, padded);
            for_blocks<S, W>(T, [&](size_t begin, int count) {
                norm.read(count, x + begin * D, weights.scale, weights.shift);
                const Matrix<S> in_proj = {weights.in_proj, D, 1};
                S* to = of.query + begin;
                multiply<S, W>(3 * D, D, in_proj, norm.steps.get(), block, to, padded);
                for (int i = 0; count < block && i < 3 * D; i++)
                    std::memset(to + i * padded + count, 0, sizeof(S) * (block - count));
            });
            for (int i = 0; i < D; i += d) {
                rotation.template rotate<false>(d, M_LOG2E / std::sqrt(S(d)), of.query + i * padded);
                rotation.template rotate<false>(d, 1, of.key + i * padded);
            }
            visible.read(mask);
            for (int i = 0; mask && i < 2 * D; i++) visible.gather(of.key + i * padded);
            for (int h = 0; h < n.H; h++) {
                const Head<S> head(of, h, d, padded);
                score_bounds<S>(head, visible.keys, n.causal, bounds.get());
                for_blocks<S, W>(T, [&](int begin, int) {
                    const int count = key_count<S, W>(begin, visible.keys, n.causal);
                    attend<S, W>(head, begin, count, n.causal, bounds.get(), scores.get());
                });
            }
            for_blocks<S, W>(T, [&](size_t begin, int count) {
                const Matrix<S> out_proj = {weights.out_proj, D, 1};
                multiply<S, W>(D, D, out_proj, of.attended + begin, padded, output.get(), block);
                for_vectors<S, W>(D, [&](int i, int, int at) {
                    store(output.get() + at, load(output.get() + at) + weights.bias[i]);
                });
                const size_t at = begin * D;
                add_transposed<S, W>(count, D, output.get(), block, x + at, result + at);
            });
            x += T * D, result += T * D, saved += (4 * D + 2 * n.H) * padded, mask += mask ? T : 0;
        }
}

template <class S, int W>
void self_attention_backward(
    Sizes n, const S* x, Parameters<const S> weights, const S* cosine, const S* sine,
    const uint8_t* mask, S* saved, const S* gradient, S* to_x, Parameters<S> to
) {
    constexpr int block = BLOCK<S, W>;
    const int T = n.T, D = n.D, d = n.d(), padded = (T + block - 1) / block * block;
    Norm<S, W> norm(D);
    Rotation<S, W> rotation(T, d, padded, cosine, sine);
    Visible visible(T);
    HeadBackward<S, W> back(T, d);
    OuterProducts<S, W> in_proj(3 * D, D), out_proj(D, D);
    Sums<S> bias(D);
    auto memory = scratch<S>(static_cast<size_t>(4 * D) * padded);
    auto output_gradient = scratch<S>(D * block), x_gradient = scratch<S>(D * block);
    for (int r = 0; r < n.R; r++, weights.next(D), to.next(D)) {
        for (int b = 0; b < n.B; b++) {
            Saved<S> of(saved, D, n.H, padded), to_of(memory.get(), D, 0, padded);
            for_blocks<S, W>(T, [&](size_t begin, int count) {
                transposed<S, W>(count, D, D, gradient + begin * D, output_gradient.get(), block);
                for_vectors<S, W>(D, [&](int i, int, int at) {
                    bias.add(i, load(output_gradient.get() + at));
                });
                out_proj.add({output_gradient.get(), block, 1}, of.attended + begin, padded);
                const Matrix<S> proj_transposed = {weights.out_proj, 1, D};
                multiply<S, W>(
                    D, D, proj_transposed, output_gradient.get(), block, to_of.attended + begin, padded
                );
            });
            visible.read(mask);
            for (int h = 0; h < n.H; h++)
                back({of, h, d, padded}, {to_of, h, d, padded}, T, visible.keys, n.causal);
            for (int i = 0; mask && i < 2 * D; i++) visible.scatter(to_of.key + i * padded);
            for (int i = 0; i < D; i += d) {
                rotation.template rotate<true>(d, 1 / std::sqrt(S(d)), to_of.query + i * padded);
                rotation.template rotate<true>(d, M_LN2, to_of.key + i * padded);
            }
            for_blocks<S, W>(T, [&](size_t begin, int count) {
                norm.read(count, x + begin * D, weights.scale, weights.shift);
                S* to_heads = to_of.query + begin;
                in_proj.add({to_heads, padded, 1}, norm.steps.get(), block);
                const Matrix<S> proj_transposed = {weights.in_proj, 1, D};
                multiply<S, W>(D, 3 * D, proj_transposed, to_heads, padded, x_gradient.get(), block);
                norm.backward(x_gradient.get(), weights.scale);
                const size_t at = begin * D;
                add_transposed<S, W>(count, D, x_gradient.get(), block, gradient + at, to_x + at);
            });
            x += T * D, gradient += T * D, to_x += T * D, mask += mask ? T : 0;
            saved += (4 * D + 2 * n.H) * padded;
        }
        norm.reduce(to.scale, to.shift);
        in_proj.reduce(to.in_proj, D, 1), out_proj.reduce(to.out_proj, D, 1), bias.reduce(to.bias);
    }
}

}  // namespace

// Exported with the sizes R, B, T, D, H and whether attention is causal; then tensors.
#define WEIGHTS(p) p[1], p[2], p[3], p[4], p[5]
#define EITHER(S, kernel, ...)                                                             \
    Sizes sizes = {n[0], n[1], n[2], n[3], n[4], n[5] != 0};                               \
    auto mask = reinterpret_cast<const uint8_t*>(p[8]);                                    \
    sizes.T > LANES<S> ? kernel<S, 2>(sizes, p[0], {WEIGHTS(p)}, p[6], p[7], __VA_ARGS__)  \
                       : kernel<S, 1>(sizes, p[0], {WEIGHTS(p)}, p[6], p[7], __VA_ARGS__);
#define EXPORT(S)                                                                              \
    extern "C" void self_attention_##S(const int* n, S** p) {                                  \
        EITHER(S, self_attention, mask, p[9], p[10])                                           \
    }                                                                                          \
    extern "C" void self_attention_backward_##S(const int* n, S** p) {                         \
        EITHER(                                                                                \
            S, self_attention_backward, mask, p[9], p[10], p[11],                              \
            {p[12], p[13], p[14], p[15], p[16]}                                                \
        )                                                                                      \
    }

EXPORT(float)
EXPORT(double)
