// Products with blocks of a few vectors, over which rows of some matrix lie across.

#pragma once

#include "vectors.h"

#include <algorithm>

#if defined(__AVX512F__)
constexpr int TALL = 12;  // rows of 2 vectors whose sums fill the registers
#else
constexpr int TALL = 5;
#endif
constexpr int W = 2;
template <class S> constexpr int BLOCK = W * LANES<S>;

// A matrix whose entry (row, column) lies at row * by_row + column * by_column.
template <class S> struct Matrix {
    const S* at;
    int by_row, by_column;
};

template <class S, int M, int N>
static inline void tile(int K, Matrix<S> a, const S* b, int b_row, S* c, int c_row, bool add) {
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
static inline void rows(
    int count, int K, Matrix<S> a, const S* b, int b_row, S* c, int c_row, bool add
) {
    if (count == M) return tile<S, M, N>(K, a, b, b_row, c, c_row, add);
    if constexpr (M > 1) rows<S, N, M - 1>(count, K, a, b, b_row, c, c_row, add);
}

// c (M, N vectors) = a (M, K) @ b (K, N vectors), or c plus that; in tiles as high as each other.
template <class S, int N>
static inline void multiply(
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

// Columns in whole vectors.
template <class S> static inline int deep(int columns) {
    return (columns + LANES<S> - 1) / LANES<S> * LANES<S>;
}

// to (M, D) += a (M, K) @ rows (K, D), both of whose rows are whole vectors, `wide` apart.
template <class S>
static inline void gather(int M, int K, int D, Matrix<S> a, const S* rows, int wide, S* to) {
    constexpr int L = LANES<S>;
    int i = 0;
    for (; i + 2 * L <= deep<S>(D); i += 2 * L)
        multiply<S, 2>(M, K, a, rows + i, wide, to + i, wide, true);
    if (i < D) multiply<S, 1>(M, K, a, rows + i, wide, to + i, wide, true);
}

// Rows (count, D), `stride` apart, as columns [D][block]; what is left of the block is zeros.
template <class S>
static inline void turned(int count, int D, int stride, const S* from, S* to) {
    if (count < BLOCK<S>) std::memset(to, 0, sizeof(S) * D * BLOCK<S>);
    for (int s = 0; s < count; s++)
        for (int i = 0; i < D; i++) to[i * BLOCK<S> + s] = from[static_cast<size_t>(s) * stride + i];
}

// The way back.
template <class S>
static inline void returned(int count, int D, int stride, const S* from, S* to) {
    for (int s = 0; s < count; s++)
        for (int i = 0; i < D; i++) to[static_cast<size_t>(s) * stride + i] = from[i * BLOCK<S> + s];
}
