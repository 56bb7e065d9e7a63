// Blocks of W vectors of steps, as [feature][step], and products with them.

#pragma once

#include "vectors.h"

#include <algorithm>

#if defined(__AVX512F__)
constexpr int TALL = 12;  // rows of 2 vectors whose sums fit the registers
#else
constexpr int TALL = 5;
#endif
// For functions that are unrolled into hundreds of instructions: one copy for all callers.
#define NOT_INLINED __attribute__((noinline))

template <class S, int W> constexpr int BLOCK = W * LANES<S>;

// A matrix with entry (row, column) at row * by_row + column * by_column.
template <class S> struct Matrix {
    const S* at;
    int by_row, by_column;
};

// Sums that are written out one by one stay in registers; i = N * m + n for row m and vector n.
template <class S, int N, bool ADD, size_t... i>
static inline void tile(
    int K, Matrix<S> a, const S* b, ptrdiff_t b_row, S* c, ptrdiff_t c_row,
    std::index_sequence<i...>
) {
    constexpr int L = LANES<S>;
    Vector<S> sum[] = {(ADD ? load(c + i / N * c_row + i % N * L) : Vector<S>{})...};
    for (ptrdiff_t k = 0, row = a.by_row; k < K; k++, a.at += a.by_column, b += b_row)
        ((sum[i] += a.at[i / N * row] * load(b + i % N * L)), ...);
    (store(c + i / N * c_row + i % N * L, sum[i]), ...);
}

template <class S, int N, bool ADD, int M = TALL>
static inline void rows(int count, int K, Matrix<S> a, const S* b, int b_row, S* c, int c_row) {
    if (count == M)
        return tile<S, N, ADD>(K, a, b, b_row, c, c_row, std::make_index_sequence<M * N>());
    if constexpr (M > 1) rows<S, N, ADD, M - 1>(count, K, a, b, b_row, c, c_row);
}

// c (M, N vectors) = a (M, K) @ b (K, N vectors), or c += if ADD; in tiles of about equal height.
template <class S, int N, bool ADD = false>
NOT_INLINED static void multiply(
    int M, int K, Matrix<S> a, const S* b, int b_row, S* c, int c_row
) {
    int tiles = (M + TALL - 1) / TALL;
    for (ptrdiff_t i = 0, m = 0; i < tiles; i++) {
        int count = (M - m + tiles - i - 1) / (tiles - i);
        Matrix<S> part = {a.at + m * a.by_row, a.by_row, a.by_column};
        rows<S, N, ADD>(count, K, part, b, b_row, c + m * c_row, c_row);
        m += count;
    }
}

// Columns rounded up to whole vectors.
template <class S> static inline int padded_columns(int columns) {
    return (columns + LANES<S> - 1) / LANES<S> * LANES<S>;
}

// to (M, D) += a (M, K) @ rows (K, D); rows are padded to whole vectors and `wide` apart.
template <class S>
static inline void multiply_add(int M, int K, int D, Matrix<S> a, const S* rows, int wide, S* to) {
    constexpr int L = LANES<S>;
    int i = 0;
    for (; i + 2 * L <= padded_columns<S>(D); i += 2 * L)
        multiply<S, 2, true>(M, K, a, rows + i, wide, to + i, wide);
    if (i < D) multiply<S, 1, true>(M, K, a, rows + i, wide, to + i, wide);
}

// Call f(begin, count) for each block of N steps.
template <class S, int W, class F> static inline void for_blocks(int N, F f) {
    for (int begin = 0; begin < N; begin += BLOCK<S, W>)
        f(static_cast<size_t>(begin), std::min(BLOCK<S, W>, N - begin));
}

// Call f(feature, vector, offset) for every vector of a block of D features.
template <class S, int W, class F> static inline void for_vectors(int D, F f) {
    for (int i = 0; i < D; i++)
        for (int w = 0; w < W; w++) f(i, w, i * BLOCK<S, W> + w * LANES<S>);
}

// Call f(columns, first row, first column) for each part of a block (steps, D) of LANES rows and at
// most as many columns.
template <class S, int W, class F> static inline void parts(int D, F f) {
    for (int first = 0; first < BLOCK<S, W>; first += LANES<S>)
        for (int i = 0; i < D; i += LANES<S>) f(std::min(LANES<S>, D - i), first, i);
}

// Transpose steps (count, D), `stride` apart, to [D][step] with rows `wide` apart; the rest of the
// block is zeros.
template <class S, int W>
NOT_INLINED static void transposed(int count, int D, size_t stride, const S* from, S* to, int wide) {
    parts<S, W>(D, [&](int columns, int first, int i) {
        Vector<S> v[LANES<S>];
#pragma GCC unroll 16
        for (int l = 0; l < LANES<S>; l++) {
            const S* row = from + (first + l) * stride + i;
            v[l] = first + l < count ? load_some(row, columns) : Vector<S>{};
        }
        transpose<S>(v);
#pragma GCC unroll 16
        for (int l = 0; l < LANES<S>; l++)
            if (l < columns) store(to + (i + l) * wide + first, v[l]);
    });
}

// Transpose [D][step], rows `wide` apart, and call f(step, feature, columns, vector) for its parts.
template <class S, int W, class F>
static inline void transposed_back(int D, const S* from, int wide, F f) {
    parts<S, W>(D, [&](int columns, int first, int i) {
        Vector<S> v[LANES<S>];
#pragma GCC unroll 16
        for (int l = 0; l < LANES<S>; l++)
            v[l] = l < columns ? load(from + (i + l) * wide + first) : Vector<S>{};
        transpose<S>(v);
#pragma GCC unroll 16
        for (int l = 0; l < LANES<S>; l++) f(first + l, i, columns, v[l]);
    });
}

// to (count, D) = add (count, D) + the transpose of [D][step], rows `wide` apart.
template <class S, int W>
NOT_INLINED static void add_transposed(int count, int D, const S* from, int wide, const S* add, S* to) {
    transposed_back<S, W>(D, from, wide, [&](int s, int i, int columns, Vector<S> v) {
        if (s >= count) return;
        const size_t at = static_cast<size_t>(s) * D + i;
        store_some(to + at, columns, v + load_some(add + at, columns));
    });
}

// Transpose [D][step], rows `wide` apart, to [step][padded_columns(D)]; the padding is zeros.
template <class S, int W>
NOT_INLINED static void transposed_rows(int D, const S* from, int wide, S* to) {
    transposed_back<S, W>(D, from, wide, [&](int s, int i, int, Vector<S> v) {
        store(to + static_cast<size_t>(s) * padded_columns<S>(D) + i, v);
    });
}
