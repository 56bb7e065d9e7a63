// A residual layer x + fc2(gelu(fc1(norm(x)))) of D features and H hidden ones.
//
// Vectors run over steps: a block of W vectors of steps goes through the layer, as [feature][step],
// before the next. The backward pass computes the hidden features again.

#include "stepwise.h"

namespace {

constexpr int W = 2;

// The weights of a replica, or their gradients.
template <class S> struct Parameters {
    S *scale, *shift, *fc1, *fc1_bias, *fc2, *fc2_bias;

    void next(int D, int H) {
        scale += D, shift += D, fc1 += H * D, fc1_bias += H, fc2 += D * H, fc2_bias += D;
    }
};

template <class S>
void mlp(
    int R, int N, int D, int H, const S* x, Parameters<const S> weights, S* result
) {
    constexpr int block = BLOCK<S, W>;
    Norm<S, W> norm(D);
    auto hidden = scratch<S>(H * block), output = scratch<S>(D * block);
    for (int r = 0; r < R; r++, x += N * D, result += N * D, weights.next(D, H))
        for_blocks<S, W>(N, [&](size_t begin, int count) {
            norm.read(count, x + begin * D, weights.scale, weights.shift);
            multiply<S, W>(
                H, D, {weights.fc1, D, 1}, norm.steps.get(), block, hidden.get(), block
            );
            for_vectors<S, W>(H, [&](int j, int, int at) {
                Vector<S> u = load(hidden.get() + at) + weights.fc1_bias[j], cumulative, density;
                normal(u, cumulative, density);
                store(hidden.get() + at, u * cumulative);
            });
            multiply<S, W>(D, H, {weights.fc2, H, 1}, hidden.get(), block, output.get(), block);
            for_vectors<S, W>(D, [&](int i, int, int at) {
                store(output.get() + at, load(output.get() + at) + weights.fc2_bias[i]);
            });
            add_transposed<S, W>(count, D, output.get(), block, x + begin * D, result + begin * D);
        });
}

template <class S>
void mlp_backward(
    int R, int N, int D, int H, const S* x, Parameters<const S> weights, const S* gradient, S* to_x,
    Parameters<S> to
) {
    constexpr int block = BLOCK<S, W>;
    Norm<S, W> norm(D);
    OuterProducts<S, W> fc1(H, D), fc2(H, D);
    Sums<S> fc1_bias(H), fc2_bias(D);
    auto hidden = scratch<S>(H * block), hidden_gradient = scratch<S>(H * block);
    auto output_gradient = scratch<S>(D * block), x_gradient = scratch<S>(D * block);
    for (int r = 0; r < R; r++, weights.next(D, H), to.next(D, H)) {
        for_blocks<S, W>(N, [&](size_t begin, int count) {
            norm.read(count, x + begin * D, weights.scale, weights.shift);
            transposed<S, W>(count, D, D, gradient + begin * D, output_gradient.get(), block);
            for_vectors<S, W>(D, [&](int i, int, int at) {
                fc2_bias.add(i, load(output_gradient.get() + at));
            });
            multiply<S, W>(
                H, D, {weights.fc1, D, 1}, norm.steps.get(), block, hidden.get(), block
            );
            multiply<S, W>(
                H, D, {weights.fc2, 1, H}, output_gradient.get(), block, hidden_gradient.get(), block
            );
            for_vectors<S, W>(H, [&](int j, int, int at) {
                Vector<S> u = load(hidden.get() + at) + weights.fc1_bias[j], cumulative, density;
                normal(u, cumulative, density);
                Vector<S> d = load(hidden_gradient.get() + at) * (cumulative + u * density);
                store(hidden.get() + at, u * cumulative);
                store(hidden_gradient.get() + at, d);
                fc1_bias.add(j, d);
            });
            fc2.add({hidden.get(), block, 1}, output_gradient.get(), block);
            fc1.add({hidden_gradient.get(), block, 1}, norm.steps.get(), block);
            multiply<S, W>(
                D, H, {weights.fc1, 1, D}, hidden_gradient.get(), block, x_gradient.get(), block
            );
            norm.backward(x_gradient.get(), weights.scale);
            const size_t at = begin * D;
            add_transposed<S, W>(count, D, x_gradient.get(), block, gradient + at, to_x + at);
        });
        norm.reduce(to.scale, to.shift);
        fc1.reduce(to.fc1, D, 1), fc2.reduce(to.fc2, 1, H);
        fc1_bias.reduce(to.fc1_bias), fc2_bias.reduce(to.fc2_bias);
        x += N * D, gradient += N * D, to_x += N * D;
    }
}

}  // namespace

// Exported with the sizes R, N, D and H; then tensors.
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
