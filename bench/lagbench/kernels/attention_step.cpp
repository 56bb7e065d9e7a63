// A residual block's attention of one step to many, as decoding asks for it:
// x + merge(heads of project(norm(x))), where a head is softmax(q Kᵀ / √d) V.

#include "stepwise.h"

namespace {

// One head's.
template <class S> class Step {
    static constexpr int L = LANES<S>;
    const int d;
    Scratch<S> weights;

    // Scores, as powers of two, of a vector's worth of keys, of which `count` are any.
    Vector<S> score(const S* query, const S* key, const int* place, int count) const {
        Vector<S> sum[L] = {};
        along<S>(d, [&](int i, int n) {
            const Vector<S> q = load_some(query + i, n);
#pragma GCC unroll 16
            for (int k = 0; k < L; k++) sum[k] += q * load_some(key + place[k] * d + i, n);
        });
        transpose<S>(sum);
#pragma GCC unroll 16
        for (int k = 1; k < L; k++) sum[0] += sum[k];
        sum[0] *= static_cast<S>(M_LOG2E / std::sqrt(d));
        for (int k = count; k < L; k++) sum[0][k] = -INFINITY;
        return sum[0];
    }

public:
    Step(int keys, int d) : d(d), weights(scratch<S>(keys)) {}

    // place: where the keys are that may be seen, up to a whole number of vectors of them.
    void operator()(
        const S* query, const S* key, const S* value, const int* place, int count, S* result
    ) {
        Vector<S> most = Vector<S>{} - INFINITY, sums{};
        for (int first = 0; first < count; first += L) {
            Vector<S> s = score(query, key, place + first, count - first);
            most = most > s ? most : s;
            store(weights.get() + first, s);
        }
        S highest = most[0], sum = 0;
        for (int l = 1; l < L; l++) highest = highest > most[l] ? highest : most[l];
        for (int first = 0; first < count; first += L) {  // 2^-90 for what is no key is as good as 0
            Vector<S> p = exp2(load(weights.get() + first) - highest);
            sums += p;
            store(weights.get() + first, p);
        }
        for (int l = 0; l < L; l++) sum += sums[l];
        along<S>(d, [&](int i, int n) {
            constexpr int APART = 4 < L ? 4 : L;  // sums that need not wait for each other
            Vector<S> read[APART] = {};
            for (int first = 0; first < count; first += APART)
#pragma GCC unroll 4
                for (int k = 0; k < APART; k++) {
                    const S* row = value + place[first + k] * d + i;
                    read[k] += weights[first + k] * load_some(row, n);
                }
            for (int k = 1; k < APART; k++) read[0] += read[k];
            store_some(result + i, n, count ? read[0] / sum : read[0]);
        });
    }
};

// A vector of a head turned by its step's angles, if there are any.
template <class S> void turn(int d, const S* cosine, const S* sine, S* x) {
    const int half = d / 2;
    for (int i = 0; cosine && i < half; i++) {
        const S one = x[i], other = x[i + half];
        x[i] = one * cosine[i] + other * sine[i];
        x[i + half] = other * cosine[i + half] + one * sine[i + half];
    }
}

struct Sizes {
    int B, H, keys, room, D, rows;  // rows: of the projection
};

// Examples are what vectors run over in products. Keys and values lie (room, d) for each head of each
// example. A projection to three rather than one makes the step's own, which become the last.
template <class S, int W>
void attention_step(
    Sizes n, const S* x, const S* scale, const S* shift, const S* project, const S* merge,
    const S* bias, const S* cosine, const S* sine, const uint8_t* mask, S* key, S* value, S* result
) {
    constexpr int block = BLOCK<S, W>;
    const int D = n.D, d = D / n.H, wide = deep<S>(n.rows);
    const ptrdiff_t head = static_cast<ptrdiff_t>(n.room) * d, last = (n.keys - 1) * d;
    Norm<S, W> norm(D);
    Step<S> step(n.keys, d);
    std::unique_ptr<int[]> place(new int[n.keys + LANES<S>]);
    auto columns = scratch<S>(n.rows * block), rows = scratch<S>(block * wide);
    auto joined = scratch<S>(block * D), made = scratch<S>(block * D);
    blocks<S, W>(n.B, [&](size_t begin, int count) {
        norm.read(count, x + begin * D, scale, shift);
        multiply<S, W>(n.rows, D, {project, D, 1}, norm.steps.get(), block, columns.get(), block);
        as_rows<S, W>(n.rows, columns.get(), block, rows.get());
        for (int b = 0; b < count; b++, mask += mask ? n.keys : 0) {
            int seen = 0;
            for (int k = 0; k < n.keys; k++)
                if (!mask || mask[k]) place[seen++] = k;
            std::fill_n(place.get() + seen, LANES<S>, seen ? place[0] : 0);
            for (int i = 0; i < D; i += d, key += head, value += head) {
                S* now = rows.get() + b * wide + i;
                turn(d, cosine, sine, now);
                if (n.rows > D) {
                    turn(d, cosine, sine, now + D);
                    copy(key + last, now + D, d), copy(value + last, now + 2 * D, d);
                }
                step(now, key, value, place.get(), seen, joined.get() + b * D + i);
            }
        }
        turned<S, W>(count, D, D, joined.get(), columns.get(), block);
        multiply<S, W>(D, D, {merge, D, 1}, columns.get(), block, made.get(), block);
        over<S, W>(D, [&](int i, int, int at) {
            store(made.get() + at, load(made.get() + at) + bias[i]);
        });
        returned<S, W>(count, D, made.get(), block, x + begin * D, result + begin * D);
    });
}

template <class S> void run(const int* n, S** p) {
    const Sizes sizes = {n[0], n[1], n[2], n[3], n[4], n[5]};
    (sizes.B > LANES<S> ? attention_step<S, 2> : attention_step<S, 1>)(
        sizes, p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7],
        reinterpret_cast<const uint8_t*>(p[8]), p[9], p[10], p[11]
    );
}

}  // namespace

// As the library exports them: sizes B, H, keys, how many there is room for, D and the rows of the
// projection; then tensors.
extern "C" void attention_step_float(const int* n, float** p) { run(n, p); }
extern "C" void attention_step_double(const int* n, double** p) { run(n, p); }
