// The perceptron of a residual block, which sees every step by itself: leave(gelu(enter(norm(x)))),
// of which enter widens D features to H, and leave narrows them again.
//
// Steps are what vectors run over: a block of W vectors of them goes through everything, as
// [feature][step], before the next. The backward pass finds again what lies between.

#include "blocks.h"

namespace {

constexpr double EPSILON = 1e-5;  // of the norm

// f(feature, vector, place) for every vector of a block of D features.
template <class S, class F> void over(int D, F f) {
    for (int i = 0; i < D; i++)
        for (int w = 0; w < W; w++) f(i, w, i * BLOCK<S> + w * LANES<S>);
}

// y (count, D) += a bias.
template <class S> void add(int count, int D, const S* bias, S* y) {
    for (int s = 0; s < count; s++)
        for (int i = 0; i < D; i++) y[s * D + i] += bias[i];
}

// Sums over steps, one a vector's lane; `take` brings them together.
template <class S> class Sums {
    const int n;
    Scratch<S> lanes;

    void clear() { std::memset(lanes.get(), 0, sizeof(S) * n * LANES<S>); }

public:
    explicit Sums(int n) : n(n), lanes(scratch<S>(n * LANES<S>)) { clear(); }

    void add(int i, Vector<S> x) {
        S* at = lanes.get() + i * LANES<S>;
        store(at, load(at) + x);
    }

    void take(S* to) {
        for (int i = 0; i < n; i++) {
            to[i] = 0;
            for (int l = 0; l < LANES<S>; l++) to[i] += lanes[i * LANES<S> + l];
        }
        clear();
    }
};

// The norm of a block of steps.
template <class S> class Norm {
    const int D;
    const S share = static_cast<S>(1) / D;
    Scratch<S> standard;  // of mean 0 and variance 1
    Vector<S> rate[W];    // that made them so
    Scratch<S> normed;    // [step][D]
    Sums<S> to_scale, to_shift;

public:
    Scratch<S> steps;  // [D][step]

    explicit Norm(int D)
        : D(D), standard(scratch<S>(D * BLOCK<S>)), normed(scratch<S>(D * BLOCK<S>)), to_scale(D),
          to_shift(D), steps(scratch<S>(D * BLOCK<S>)) {}

    void read(int count, const S* x, const S* scale, const S* shift) {
        turned(count, D, D, x, steps.get());
        Vector<S> mean[W] = {}, variance[W] = {};
        over<S>(D, [&](int, int w, int at) { mean[w] += load(steps.get() + at); });
        over<S>(D, [&](int, int w, int at) {
            Vector<S> far = load(steps.get() + at) - mean[w] * share;
            variance[w] += far * far;
            store(standard.get() + at, far);
        });
        for (int w = 0; w < W; w++)
            rate[w] = 1 / root<S>(variance[w] * share + static_cast<S>(EPSILON));
        over<S>(D, [&](int i, int w, int at) {
            Vector<S> x = load(standard.get() + at) * rate[w];
            store(standard.get() + at, x);
            store(steps.get() + at, x * scale[i] + shift[i]);
        });
    }

    // The same as (count, D).
    const S* rows(int count) {
        returned(count, D, D, steps.get(), normed.get());
        return normed.get();
    }

    // The gradient of the steps [D][step] becomes that of what was read.
    void backward(S* gradient, const S* scale) {
        Vector<S> mean[W] = {}, along[W] = {};
        over<S>(D, [&](int i, int w, int at) {
            Vector<S> d = load(gradient + at), x = load(standard.get() + at);
            to_scale.add(i, d * x);
            to_shift.add(i, d);
            d *= scale[i];
            mean[w] += d * share;
            along[w] += d * x * share;
            store(gradient + at, d);
        });
        over<S>(D, [&](int, int w, int at) {
            Vector<S> d = load(gradient + at) - mean[w] - load(standard.get() + at) * along[w];
            store(gradient + at, d * rate[w]);
        });
    }

    void take(S* scale, S* shift) { to_scale.take(scale), to_shift.take(shift); }
};

// The gradient (N, D) of a matrix: of sums over steps of outer products.
template <class S> class Outer {
    const int N, D, wide;
    Scratch<S> rows, sums;  // [step][wide], [N][wide]

public:
    Outer(int N, int D)
        : N(N), D(D), wide(deep<S>(D)), rows(scratch<S>(BLOCK<S> * wide)),
          sums(scratch<S>(static_cast<size_t>(N) * wide)) {
        std::memset(rows.get(), 0, sizeof(S) * BLOCK<S> * wide);
        std::memset(sums.get(), 0, sizeof(S) * N * wide);
    }

    // a: (N, count); b: (count, D).
    void add(int count, Matrix<S> a, const S* b) {
        for (int s = 0; s < count; s++) copy(rows.get() + s * wide, b + s * D, D);
        gather<S>(N, count, D, a, rows.get(), wide, sums.get());
    }

    void take(S* to, int by_row, int by_column) {
        for (int j = 0; j < N; j++)
            for (int i = 0; i < D; i++) to[j * by_row + i * by_column] = sums[j * wide + i];
        std::memset(sums.get(), 0, sizeof(S) * N * wide);
    }
};

// f(begin, count) for each block of N steps.
template <class S, class F> void blocks(int N, F f) {
    for (int begin = 0; begin < N; begin += BLOCK<S>)
        f(static_cast<size_t>(begin), std::min(BLOCK<S>, N - begin));
}

// Of one replica: weights, or their gradients.
template <class S> struct Parameters {
    S *scale, *shift, *enter, *enter_bias, *leave, *leave_bias;

    void next(int D, int H) {
        scale += D, shift += D, enter += H * D, enter_bias += H, leave += D * H, leave_bias += D;
    }
};

template <class S>
void perceptron(
    int R, int N, int D, int H, const S* x, Parameters<const S> weights, S* result
) {
    Norm<S> norm(D);
    auto hidden = scratch<S>(H * BLOCK<S>), made = scratch<S>(D * BLOCK<S>);
    for (int r = 0; r < R; r++, x += N * D, result += N * D, weights.next(D, H))
        blocks<S>(N, [&](size_t begin, int count) {
            norm.read(count, x + begin * D, weights.scale, weights.shift);
            multiply<S, W>(
                H, D, {weights.enter, D, 1}, norm.steps.get(), BLOCK<S>, hidden.get(), BLOCK<S>
            );
            over<S>(H, [&](int j, int, int at) {
                Vector<S> u = load(hidden.get() + at) + weights.enter_bias[j], below, density;
                normal(u, below, density);
                store(hidden.get() + at, u * below);
            });
            multiply<S, W>(
                D, H, {weights.leave, H, 1}, hidden.get(), BLOCK<S>, made.get(), BLOCK<S>
            );
            returned(count, D, D, made.get(), result + begin * D);
            add(count, D, weights.leave_bias, result + begin * D);
        });
}

template <class S>
void perceptron_backward(
    int R, int N, int D, int H, const S* x, Parameters<const S> weights, const S* gradient, S* to_x,
    Parameters<S> to
) {
    Norm<S> norm(D);
    Outer<S> enter(H, D), leave(H, D);
    Sums<S> enter_bias(H);
    auto hidden = scratch<S>(H * BLOCK<S>), slopes = scratch<S>(H * BLOCK<S>);
    auto arriving = scratch<S>(D * BLOCK<S>), leaving = scratch<S>(D * BLOCK<S>);
    for (int r = 0; r < R; r++, weights.next(D, H), to.next(D, H)) {
        std::memset(to.leave_bias, 0, sizeof(S) * D);
        blocks<S>(N, [&](size_t begin, int count) {
            norm.read(count, x + begin * D, weights.scale, weights.shift);
            turned(count, D, D, gradient + begin * D, arriving.get());
            multiply<S, W>(
                H, D, {weights.enter, D, 1}, norm.steps.get(), BLOCK<S>, hidden.get(), BLOCK<S>
            );
            multiply<S, W>(
                H, D, {weights.leave, 1, H}, arriving.get(), BLOCK<S>, slopes.get(), BLOCK<S>
            );
            over<S>(H, [&](int j, int, int at) {
                Vector<S> u = load(hidden.get() + at) + weights.enter_bias[j], below, density;
                normal(u, below, density);
                Vector<S> d = load(slopes.get() + at) * (below + u * density);
                store(hidden.get() + at, u * below);
                store(slopes.get() + at, d);
                enter_bias.add(j, d);
            });
            for (int s = 0; s < count; s++) add(1, D, gradient + (begin + s) * D, to.leave_bias);
            leave.add(count, {hidden.get(), BLOCK<S>, 1}, gradient + begin * D);
            enter.add(count, {slopes.get(), BLOCK<S>, 1}, norm.rows(count));
            multiply<S, W>(
                D, H, {weights.enter, 1, D}, slopes.get(), BLOCK<S>, leaving.get(), BLOCK<S>
            );
            norm.backward(leaving.get(), weights.scale);
            returned(count, D, D, leaving.get(), to_x + begin * D);
        });
        norm.take(to.scale, to.shift);
        enter.take(to.enter, D, 1), leave.take(to.leave, 1, H);
        enter_bias.take(to.enter_bias);
        x += N * D, gradient += N * D, to_x += N * D;
    }
}

}  // namespace

// As the library exports them: sizes R, N, D and H; then tensors.
#define EXPORT(S)                                                                                 \
    extern "C" void perceptron_##S(const int* n, S** p) {                                         \
        perceptron<S>(n[0], n[1], n[2], n[3], p[0], {p[1], p[2], p[3], p[4], p[5], p[6]}, p[7]);  \
    }                                                                                             \
    extern "C" void perceptron_backward_##S(const int* n, S** p) {                                \
        perceptron_backward<S>(                                                                   \
            n[0], n[1], n[2], n[3], p[0], {p[1], p[2], p[3], p[4], p[5], p[6]}, p[7], p[8],       \
            {p[9], p[10], p[11], p[12], p[13], p[14]}                                             \
        );                                                                                        \
    }

EXPORT(float)
EXPORT(double)
