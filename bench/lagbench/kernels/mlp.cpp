// The mlp of a residual block, which sees every step by itself: x + leave(gelu(enter(norm(x)))),
// of which enter widens D features to H, and leave narrows them again.
//
// Steps are what vectors run over: a block of W vectors of them goes through everything, as
// [feature][step], before the next. The backward pass finds again what lies between.

#include "stepwise.h"

namespace {

constexpr int W = 2;

// Of one replica: weights, or their gradients.
template <class S> struct Parameters {
    S *scale, *shift, *enter, *enter_bias, *leave, *leave_bias;

    void next(int D, int H) {
        scale += D, shift += D, enter += H * D, enter_bias += H, leave += D * H, leave_bias += D;
    }
};

template <class S>
void mlp(
    int R, int N, int D, int H, const S* x, Parameters<const S> weights, S* result
) {
    constexpr int block = BLOCK<S, W>;
    Norm<S, W> norm(D);
    auto hidden = scratch<S>(H * block), made = scratch<S>(D * block);
    for (int r = 0; r < R; r++, x += N * D, result += N * D, weights.next(D, H))
        blocks<S, W>(N, [&](size_t begin, int count) {
            norm.read(count, x + begin * D, weights.scale, weights.shift);
            multiply<S, W>(
                H, D, {weights.enter, D, 1}, norm.steps.get(), block, hidden.get(), block
            );
            over<S, W>(H, [&](int j, int, int at) {
                Vector<S> u = load(hidden.get() + at) + weights.enter_bias[j], below, density;
                normal(u, below, density);
                store(hidden.get() + at, u * below);
            });
            multiply<S, W>(D, H, {weights.leave, H, 1}, hidden.get(), block, made.get(), block);
            over<S, W>(D, [&](int i, int, int at) {
                store(made.get() + at, load(made.get() + at) + weights.leave_bias[i]);
            });
            returned<S, W>(count, D, made.get(), block, x + begin * D, result + begin * D);
        });
}

template <class S>
void mlp_backward(
    int R, int N, int D, int H, const S* x, Parameters<const S> weights, const S* gradient, S* to_x,
    Parameters<S> to
) {
    constexpr int block = BLOCK<S, W>;
    Norm<S, W> norm(D);
    Outer<S, W> enter(H, D), leave(H, D);
    Sums<S> enter_bias(H), leave_bias(D);
    auto hidden = scratch<S>(H * block), slopes = scratch<S>(H * block);
    auto arriving = scratch<S>(D * block), leaving = scratch<S>(D * block);
    for (int r = 0; r < R; r++, weights.next(D, H), to.next(D, H)) {
        blocks<S, W>(N, [&](size_t begin, int count) {
            norm.read(count, x + begin * D, weights.scale, weights.shift);
            turned<S, W>(count, D, D, gradient + begin * D, arriving.get(), block);
            over<S, W>(D, [&](int i, int, int at) { leave_bias.add(i, load(arriving.get() + at)); });
            multiply<S, W>(
                H, D, {weights.enter, D, 1}, norm.steps.get(), block, hidden.get(), block
            );
            multiply<S, W>(H, D, {weights.leave, 1, H}, arriving.get(), block, slopes.get(), block);
            over<S, W>(H, [&](int j, int, int at) {
                Vector<S> u = load(hidden.get() + at) + weights.enter_bias[j], below, density;
                normal(u, below, density);
                Vector<S> d = load(slopes.get() + at) * (below + u * density);
                store(hidden.get() + at, u * below);
                store(slopes.get() + at, d);
                enter_bias.add(j, d);
            });
            leave.add({hidden.get(), block, 1}, arriving.get(), block);
            enter.add({slopes.get(), block, 1}, norm.steps.get(), block);
            multiply<S, W>(D, H, {weights.enter, 1, D}, slopes.get(), block, leaving.get(), block);
            norm.backward(leaving.get(), weights.scale);
            const size_t at = begin * D;
            returned<S, W>(count, D, leaving.get(), block, gradient + at, to_x + at);
        });
        norm.take(to.scale, to.shift);
        enter.take(to.enter, D, 1), leave.take(to.leave, 1, H);
        enter_bias.take(to.enter_bias), leave_bias.take(to.leave_bias);
        x += N * D, gradient += N * D, to_x += N * D;
    }
}

}  // namespace

// As the library exports them: sizes R, N, D and H; then tensors.
#define EXPORT(S)                                                                                 \
    extern "C" void mlp_##S(const int* n, S** p) {                                         \
        mlp<S>(n[0], n[1], n[2], n[3], p[0], {p[1], p[2], p[3], p[4], p[5], p[6]}, p[7]);  \
    }                                                                                             \
    extern "C" void mlp_backward_##S(const int* n, S** p) {                                \
        mlp_backward<S>(                                                                   \
            n[0], n[1], n[2], n[3], p[0], {p[1], p[2], p[3], p[4], p[5], p[6]}, p[7], p[8],       \
            {p[9], p[10], p[11], p[12], p[13], p[14]}                                             \
        );                                                                                        \
    }

EXPORT(float)
EXPORT(double)
