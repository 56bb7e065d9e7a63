// A residual block's self-attention of whole sequences: x + merge(heads of project(norm(x))), where a
// head is softmax(Q Kᵀ / √d) V.
//
// Steps are what vectors run over, as [feature][step], one example after another. A block of queries
// meets all keys before the next, some at a time, and their scores [key][query] are all that is held.
// Keys that nobody may see are left out from the start. Weights are powers of two, of scores times
// log2(e). The backward pass finds them again from their sums.

#include "stepwise.h"

namespace {

constexpr int KEYS = 64;  // that a block of queries meets at a time: the nearest cache holds them
constexpr int NEAR = 40;  // 2 to this is neither too large nor too small a weight

struct Sizes {
    int R, B, T, D, H;  // replicas, examples, steps, features, heads
    bool causal;
    int d() const { return D / H; }
};

// Of one replica: weights, or their gradients.
template <class S> struct Parameters {
    S *scale, *shift, *project, *merge, *bias;

    void next(int D) { scale += D, shift += D, project += 3 * D * D, merge += D * D, bias += D; }
};

// What is kept of one example for the backward pass, in rows `padded` apart.
template <class S> struct Kept {
    S *query, *key, *value, *joined;  // [D][step] each; joined: what the heads read
    S *highest, *share;  // [H][step]: each query's highest score, and one over its weights' sum

    Kept(S* at, int D, int H, size_t padded)
        : query(at), key(query + D * padded), value(key + D * padded), joined(value + D * padded),
          highest(joined + D * padded), share(highest + H * padded) {}
};

// One head of it, or of the gradients of that.
template <class S> struct Head {
    int d, padded;
    S *query, *key, *value, *joined, *highest, *share;

    Head(const Kept<S>& kept, int h, int d, int padded)
        : d(d), padded(padded), query(kept.query + h * d * padded),
          key(kept.key + h * d * padded), value(kept.value + h * d * padded),
          joined(kept.joined + h * d * padded), highest(kept.highest + h * padded),
          share(kept.share + h * padded) {}
};

// The angles of every step, as cosines and sines; none where nothing is rotated.
template <class S, int W> class Rotation {
    const int d, padded;
    Scratch<S> cosine, sine;  // [d][step]

public:
    Rotation(int T, int d, int padded, const S* cosines, const S* sines)
        : d(cosines ? d : 0), padded(padded) {
        if (!cosines) return;
        cosine = scratch<S>(static_cast<size_t>(d) * padded);
        sine = scratch<S>(static_cast<size_t>(d) * padded);
        blocks<S, W>(T, [&](size_t begin, int count) {
            turned<S, W>(count, d, d, cosines + begin * d, cosine.get() + begin, padded);
            turned<S, W>(count, d, d, sines + begin * d, sine.get() + begin, padded);
        });
    }

    // Vectors [size][step] times a factor, turned by their step's angles; back: the other way.
    template <bool BACK> void turn(int size, S factor, S* x) const {
        const int half = d / 2;
        for (int i = 0, j = half; i < half; i++, j++) {
            const S *c = cosine.get() + i * padded, *s = sine.get() + i * padded;
            const S *to_i = BACK ? s + half * padded : s, *to_j = BACK ? s : s + half * padded;
            for (int t = 0; t < padded; t += LANES<S>) {
                Vector<S> one = load(x + i * padded + t) * factor;
                Vector<S> other = load(x + j * padded + t) * factor;
                store(x + i * padded + t, one * load(c + t) + other * load(to_i + t));
                store(x + j * padded + t, other * load(c + half * padded + t) + one * load(to_j + t));
            }
        }
        for (int i = 2 * half; i < size; i++)
            for (int t = 0; t < padded; t += LANES<S>)
                store(x + i * padded + t, load(x + i * padded + t) * factor);
    }
};

// Where in time the keys are that may be seen.
class Visible {
    std::unique_ptr<int[]> place;

public:
    const int T;
    int keys;

    explicit Visible(int T) : place(new int[T]), T(T), keys(T) {}

    // mask: (T), or null.
    void read(const uint8_t* mask) {
        keys = 0;
        for (int t = 0; t < T; t++)
            if (!mask || mask[t]) place[keys++] = t;
    }

    // Keep of a row of steps those alone, and zeros after them.
    template <class S> void gather(S* row) const {
        for (int k = 0; k < keys; k++) row[k] = row[place[k]];
        std::memset(row + keys, 0, sizeof(S) * (T - keys));
    }

    // Put them back to their places, among zeros.
    template <class S> void scatter(S* row) const {
        for (int t = T - 1, k = keys - 1; t >= 0; t--)
            row[t] = k >= 0 && place[k] == t ? row[k--] : S();
    }
};

// The w-th vector of a block without the queries that come before a key `ahead` of the first.
template <class S> Vector<S> since(int ahead, int w, Vector<S> x, S otherwise) {
    for (int l = 0; l < LANES<S>; l++) x[l] = w * LANES<S> + l < ahead ? otherwise : x[l];
    return x;
}

template <class S> Vector<S> largest(Vector<S> a, Vector<S> b) { return a > b || a != a ? a : b; }

// Scores [key][query] of some keys and the block of queries from `begin` on.
template <class S, int W> void score(const Head<S>& head, int begin, int first, int count, S* to) {
    const Matrix<S> keys = {head.key + first, 1, head.padded};
    multiply<S, W>(count, head.d, keys, head.query + begin, head.padded, to, BLOCK<S, W>);
}

// How far, squared, the scores of each query may be from 0: |q|² times the largest |k|² that it sees.
template <class S> void reaches(const Head<S>& head, int keys, bool causal, S* to) {
    auto square = [&](const S* x, int t) {
        Vector<S> sum{};
        for (int i = 0; i < head.d; i++) {
            Vector<S> v = load(x + i * head.padded + t);
            sum += v * v;
        }
        return sum;
    };
    for (int t = 0; t < head.padded; t += LANES<S>) store(to + t, square(head.key, t));
    S most = 0;
    for (int k = 0; k < keys; k++) {
        most = to[k] <= most ? most : to[k];  // NaN is beyond all
        if (causal) to[k] = most;
    }
    for (int t = 0; t < head.padded; t += LANES<S>)
        store(to + t, square(head.query, t) * (causal ? load(to + t) : Vector<S>{} + most));
}

// What scores are set off from, so that no weight is too large: each query's highest score; or 0,
// if none of them can be far from that.
template <class S, int W>
void peaks(
    const Head<S>& head, int begin, int count, bool causal, const S* reach, S* scores,
    Vector<S>* highest
) {
    constexpr int L = LANES<S>;
    bool far = false;
    for (int t = 0; t < BLOCK<S, W>; t++) far |= !(reach[begin + t] <= NEAR * NEAR);
    for (int w = 0; w < W; w++) highest[w] = far ? Vector<S>{} - INFINITY : Vector<S>{};
    for (int first = 0; far && first < count; first += KEYS) {
        const int some = std::min(KEYS, count - first);
        score<S, W>(head, begin, first, some, scores);
        for (int w = 0; w < W; w++)
            for (int k = 0; k < some; k++) {
                Vector<S> s = load(scores + k * BLOCK<S, W> + w * L);
                const int ahead = first + k - begin;
                if (causal && ahead > 0) s = since<S>(ahead, w, s, -INFINITY);
                highest[w] = largest<S>(highest[w], s);
            }
    }
    for (int w = 0; far && w < W; w++)
        highest[w] = load(reach + begin + w * L) <= NEAR * NEAR ? Vector<S>{} : highest[w];
}

// What the block of queries from `begin` on reads of the first `count` keys.
template <class S, int W>
void attend(
    const Head<S>& head, int begin, int count, bool causal, const S* reach, S* scores
) {
    constexpr int L = LANES<S>, block = BLOCK<S, W>;
    Vector<S> highest[W], sum[W] = {};
    peaks<S, W>(head, begin, count, causal, reach, scores, highest);
    S* joined = head.joined + begin;
    for (int i = 0; i < head.d; i++) std::memset(joined + i * head.padded, 0, sizeof(S) * block);
    for (int first = 0; first < count; first += KEYS) {
        const int some = std::min(KEYS, count - first);
        score<S, W>(head, begin, first, some, scores);
        for (int k = 0; k < some; k++)
            for (int w = 0; w < W; w++) {
                S* at = scores + k * block + w * L;
                const int ahead = first + k - begin;
                Vector<S> p = exp2(load(at) - highest[w]);
                if (causal && ahead > 0) p = since<S>(ahead, w, p, 0);
                sum[w] += p;
                store(at, p);
            }
        const Matrix<S> value = {head.value + first, head.padded, 1};
        multiply<S, W, true>(head.d, some, value, scores, block, joined, head.padded);
    }
    for (int w = 0; w < W; w++) {
        Vector<S> share = count ? 1 / sum[w] : Vector<S>{};
        store(head.highest + begin + w * L, highest[w]);
        store(head.share + begin + w * L, share);
        for (int i = 0; i < head.d; i++) {
            S* at = joined + i * head.padded + w * L;
            store(at, load(at) * share);
        }
    }
}

// How many keys the block of queries from `begin` on may see.
template <class S, int W> int seen(int begin, int keys, bool causal) {
    return causal ? std::min(begin + BLOCK<S, W>, keys) : keys;
}

// The way back of a head's blocks.
template <class S, int W> class Back {
    static constexpr int L = LANES<S>, block = BLOCK<S, W>;
    const int d, wide;
    Scratch<S> weights, slopes;          // [key][query]
    Scratch<S> query, arriving;          // [query][wide]
    Scratch<S> to_key, to_value;         // [key][wide]

    static Scratch<S> room(int rows, int columns) {
        return scratch<S>(static_cast<size_t>(rows) * columns);
    }

    // Weights, and slopes of scores, of the keys from `first` on.
    void descend(
        const Head<S>& head, const Head<S>& to, int begin, int first, int keys, bool causal,
        const Vector<S>* mean
    ) {
        score<S, W>(head, begin, first, keys, weights.get());
        multiply<S, W>(
            keys, d, {head.value + first, 1, head.padded}, to.joined + begin, head.padded,
            slopes.get(), block
        );
        for (int w = 0; w < W; w++) {
            Vector<S> highest = load(head.highest + begin + w * L);
            Vector<S> share = load(head.share + begin + w * L);
            for (int k = 0; k < keys; k++) {
                const int j = k * block + w * L, ahead = first + k - begin;
                Vector<S> p = exp2(load(weights.get() + j) - highest) * share;
                if (causal && ahead > 0) p = since<S>(ahead, w, p, 0);
                store(weights.get() + j, p);
                store(slopes.get() + j, p * (load(slopes.get() + j) - mean[w]));
            }
        }
    }

public:
    Back(int T, int d)
        : d(d), wide(deep<S>(d)), weights(room(KEYS, block)), slopes(room(KEYS, block)),
          query(room(block, wide)), arriving(room(block, wide)),
          to_key(room(T + block, wide)), to_value(room(T + block, wide)) {}

    // to: gradients of the head, that of `joined` among them, which is read.
    void operator()(const Head<S>& head, const Head<S>& to, int T, int keys, bool causal) {
        const int padded = head.padded;
        std::memset(to_key.get(), 0, sizeof(S) * keys * wide);
        std::memset(to_value.get(), 0, sizeof(S) * keys * wide);
        for (int begin = 0; begin < T; begin += block) {
            const int count = seen<S, W>(begin, keys, causal);
            Vector<S> mean[W] = {};  // of the slopes of a query, by its weights
            for (int i = 0; i < d; i++)
                for (int w = 0; w < W; w++) {
                    const int j = i * padded + begin + w * L;
                    mean[w] += load(head.joined + j) * load(to.joined + j);
                    store(to.query + j, Vector<S>{});
                }
            as_rows<S, W>(d, head.query + begin, padded, query.get());
            as_rows<S, W>(d, to.joined + begin, padded, arriving.get());
            for (int first = 0; first < count; first += KEYS) {
                const int some = std::min(KEYS, count - first);
                descend(head, to, begin, first, some, causal, mean);
                const Matrix<S> p = {weights.get(), block, 1}, q = {slopes.get(), block, 1};
                gather<S>(some, block, d, p, arriving.get(), wide, to_value.get() + first * wide);
                gather<S>(some, block, d, q, query.get(), wide, to_key.get() + first * wide);
                multiply<S, W, true>(
                    d, some, {head.key + first, padded, 1}, slopes.get(), block, to.query + begin,
                    padded
                );
            }
        }
        blocks<S, W>(T, [&](int begin, int) {
            const int count = std::max(0, keys - begin), at = begin * wide;
            turned<S, W>(count, d, wide, to_key.get() + at, to.key + begin, padded);
            turned<S, W>(count, d, wide, to_value.get() + at, to.value + begin, padded);
        });
    }
};

template <class S, int W>
void self_attention(
    Sizes n, const S* x, Parameters<const S> weights, const S* cosine, const S* sine,
    const uint8_t* mask, S* result, S* kept
) {
    constexpr int block = BLOCK<S, W>;
    const int T = n.T, D = n.D, d = n.d(), padded = (T + block - 1) / block * block;
    Norm<S, W> norm(D);
    Rotation<S, W> rotation(T, d, padded, cosine, sine);
    Visible visible(T);
    auto scores = scratch<S>(KEYS * block), made = scratch<S>(D * block), reach = scratch<S>(padded);
    for (int r = 0; r < n.R; r++, weights.next(D))
        for (int b = 0; b < n.B; b++) {
            Kept<S> of(kept, D, n.H, padded);
            blocks<S, W>(T, [&](size_t begin, int count) {
                norm.read(count, x + begin * D, weights.scale, weights.shift);
                const Matrix<S> project = {weights.project, D, 1};
                S* to = of.query + begin;
                multiply<S, W>(3 * D, D, project, norm.steps.get(), block, to, padded);
                for (int i = 0; count < block && i < 3 * D; i++)
                    std::memset(to + i * padded + count, 0, sizeof(S) * (block - count));
            });
            for (int i = 0; i < D; i += d) {
                rotation.template turn<false>(d, M_LOG2E / std::sqrt(S(d)), of.query + i * padded);
                rotation.template turn<false>(d, 1, of.key + i * padded);
            }
            visible.read(mask);
            for (int i = 0; mask && i < 2 * D; i++) visible.gather(of.key + i * padded);
            for (int h = 0; h < n.H; h++) {
                const Head<S> head(of, h, d, padded);
                reaches<S>(head, visible.keys, n.causal, reach.get());
                blocks<S, W>(T, [&](int begin, int) {
                    const int count = seen<S, W>(begin, visible.keys, n.causal);
                    attend<S, W>(head, begin, count, n.causal, reach.get(), scores.get());
                });
            }
            blocks<S, W>(T, [&](size_t begin, int count) {
                const Matrix<S> merge = {weights.merge, D, 1};
                multiply<S, W>(D, D, merge, of.joined + begin, padded, made.get(), block);
                over<S, W>(D, [&](int i, int, int at) {
                    store(made.get() + at, load(made.get() + at) + weights.bias[i]);
                });
                const size_t at = begin * D;
                returned<S, W>(count, D, made.get(), block, x + at, result + at);
            });
            x += T * D, result += T * D, kept += (4 * D + 2 * n.H) * padded, mask += mask ? T : 0;
        }
}

template <class S, int W>
void self_attention_backward(
    Sizes n, const S* x, Parameters<const S> weights, const S* cosine, const S* sine,
    const uint8_t* mask, S* kept, const S* gradient, S* to_x, Parameters<S> to
) {
    constexpr int block = BLOCK<S, W>;
    const int T = n.T, D = n.D, d = n.d(), padded = (T + block - 1) / block * block;
    Norm<S, W> norm(D);
    Rotation<S, W> rotation(T, d, padded, cosine, sine);
    Visible visible(T);
    Back<S, W> back(T, d);
    Outer<S, W> project(3 * D, D), merge(D, D);
    Sums<S> bias(D);
    auto memory = scratch<S>(static_cast<size_t>(4 * D) * padded);
    auto arriving = scratch<S>(D * block), leaving = scratch<S>(D * block);
    for (int r = 0; r < n.R; r++, weights.next(D), to.next(D)) {
        for (int b = 0; b < n.B; b++) {
            Kept<S> of(kept, D, n.H, padded), to_of(memory.get(), D, 0, padded);
            blocks<S, W>(T, [&](size_t begin, int count) {
                turned<S, W>(count, D, D, gradient + begin * D, arriving.get(), block);
                over<S, W>(D, [&](int i, int, int at) { bias.add(i, load(arriving.get() + at)); });
                merge.add({arriving.get(), block, 1}, of.joined + begin, padded);
                const Matrix<S> turn = {weights.merge, 1, D};
                multiply<S, W>(D, D, turn, arriving.get(), block, to_of.joined + begin, padded);
            });
            visible.read(mask);
            for (int h = 0; h < n.H; h++)
                back({of, h, d, padded}, {to_of, h, d, padded}, T, visible.keys, n.causal);
            for (int i = 0; mask && i < 2 * D; i++) visible.scatter(to_of.key + i * padded);
            for (int i = 0; i < D; i += d) {
                rotation.template turn<true>(d, 1 / std::sqrt(S(d)), to_of.query + i * padded);
                rotation.template turn<true>(d, M_LN2, to_of.key + i * padded);
            }
            blocks<S, W>(T, [&](size_t begin, int count) {
                norm.read(count, x + begin * D, weights.scale, weights.shift);
                S* to_heads = to_of.query + begin;
                project.add({to_heads, padded, 1}, norm.steps.get(), block);
                const Matrix<S> turn = {weights.project, 1, D};
                multiply<S, W>(D, 3 * D, turn, to_heads, padded, leaving.get(), block);
                norm.backward(leaving.get(), weights.scale);
                const size_t at = begin * D;
                returned<S, W>(count, D, leaving.get(), block, gradient + at, to_x + at);
            });
            x += T * D, gradient += T * D, to_x += T * D, mask += mask ? T : 0;
            kept += (4 * D + 2 * n.H) * padded;
        }
        norm.take(to.scale, to.shift);
        project.take(to.project, D, 1), merge.take(to.merge, D, 1), bias.take(to.bias);
    }
}

}  // namespace

// As the library exports them: sizes R, B, T, D, H and whether causal; then tensors.
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
