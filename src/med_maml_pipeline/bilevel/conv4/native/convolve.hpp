// Convolution 3x3: sums of products of pictures and weights, and the gradient of the weights.
//
// Pictures lie as [row][column][channel] with a border of one zero pixel, so there are no edges to look after,
// and the three columns under a kernel's row are 3 * ci neighbouring numbers. Weights lie as [3][3 * ci][co].
// A strip of pixels times two vectors of channels is held in registers while all products are added up.
#pragma once
#include <array>
#include <utility>

#include "vectors.hpp"

namespace conv4 {

// One summand: a bordered picture and the weights it meets; or picture and gradient, both bordered.
template <class T>
struct Term {
    const T *x;
    const T *w;
};

// Height, width, and channels before and after.
struct Map {
    Index h, w, ci, co;
    Index row() const { return (w + 2) * ci; }
};

// N vectors of channels, R rows and C columns of pixels; CI is the number of input channels, 0: map.ci.
template <class T, int N, int R, int C, int CI>
void strip(const Term<T> *terms, int n_terms, const Map &map, Index at, const T *bias, Index channel, T *y) {
    constexpr Index L = Lanes<T>::count;
    const Index ci = CI ? CI : map.ci, row = map.row(), co = map.co;
    Vector<T> sum[R][C][N];
    for (int n = 0; n < N; ++n) {
        const Vector<T> start = bias ? load(bias + channel + n * L) : Vector<T>{};
        for (int r = 0; r < R; ++r)
            for (int c = 0; c < C; ++c) sum[r][c][n] = start;
    }
    for (int t = 0; t < n_terms; ++t) {
        const T *w = terms[t].w + channel;
        for (int ky = 0; ky < 3; ++ky) {
            const T *x = terms[t].x + at + ky * row;
            for (Index k = 0; k < 3 * ci; ++k, w += co, ++x) {
                Vector<T> weight[N];
                for (int n = 0; n < N; ++n) weight[n] = load(w + n * L);
#pragma GCC unroll 16
                for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
                    for (int c = 0; c < C; ++c)
#pragma GCC unroll 16
                        for (int n = 0; n < N; ++n) sum[r][c][n] += x[r * row + c * ci] * weight[n];
            }
        }
    }
    for (int r = 0; r < R; ++r)
        for (int c = 0; c < C; ++c)
            for (int n = 0; n < N; ++n) store(y + (r * map.w + c) * co + channel + n * L, sum[r][c][n]);
}

template <class T>
using Strip = void (*)(const Term<T> *, int, const Map &, Index, const T *, Index, T *);

template <class T, int N, int R, int CI, int... C>
constexpr std::array<Strip<T>, sizeof...(C)> strips(std::integer_sequence<int, C...>) {
    return {&strip<T, N, R, C + 1, CI>...};
}

template <class T, int N, int CI>
void convolve_channels(const Term<T> *terms, int n, const Map &map, const T *bias, Index channel, T *y) {
    static constexpr auto one = strips<T, N, 1, CI>(std::make_integer_sequence<int, longest>{});
    static constexpr auto two = strips<T, N, 2, CI>(std::make_integer_sequence<int, longest / 2>{});
    static constexpr auto three = strips<T, N, 3, CI>(std::make_integer_sequence<int, longest / 3>{});
    const Index parts = (map.w + longest - 1) / longest;
    for (Index i = 0; i < map.h;) {
        const Index left = map.h - i;
        const Index rows = map.w <= longest / 3 && left >= 3 ? 3 : map.w <= longest / 2 && left >= 2 ? 2 : 1;
        for (Index part = 0; part < parts; ++part) {
            const Index from = map.w * part / parts, size = map.w * (part + 1) / parts - from;
            const Strip<T> run = rows == 3 ? three[size - 1] : rows == 2 ? two[size - 1] : one[size - 1];
            run(terms, n, map, i * map.row() + from * map.ci, bias, channel, y + (i * map.w + from) * map.co);
        }
        i += rows;
    }
}

// y [h][w][co] = bias (or 0) + sum of terms.
template <class T>
void convolve(std::initializer_list<Term<T>> terms, const Map &map, const T *bias, T *y) {
    constexpr Index L = Lanes<T>::count;
    const int n = static_cast<int>(terms.size());
    for (Index channel = 0; channel < map.co; channel += 2 * L) {
        if (map.co - channel < 2 * L)
            convolve_channels<T, 1, 0>(terms.begin(), n, map, bias, channel, y);
        else if (sizeof(T) == 4 && map.ci == 32)  // the common widths know their strides when compiled
            convolve_channels<T, 2, sizeof(T) == 4 ? 32 : 0>(terms.begin(), n, map, bias, channel, y);
        else if (sizeof(T) == 4 && map.ci == 64)
            convolve_channels<T, 2, sizeof(T) == 4 ? 64 : 0>(terms.begin(), n, map, bias, channel, y);
        else
            convolve_channels<T, 2, 0>(terms.begin(), n, map, bias, channel, y);
    }
}

// R rows and J columns of the weights' gradient, summed over all pixels.
template <class T, int N, int R, int J>
void gather(const Term<T> *terms, int n_terms, const Map &map, Index at, Index channel, T *w) {
    constexpr Index L = Lanes<T>::count;
    const Index row = map.row(), co = map.co, below = 3 * map.ci * co;
    Vector<T> sum[R][J][N];
    for (int r = 0; r < R; ++r)
        for (int j = 0; j < J; ++j)
            for (int n = 0; n < N; ++n) sum[r][j][n] = load(w + r * below + j * co + channel + n * L);
    for (int t = 0; t < n_terms; ++t)
        for (Index i = 0; i < map.h; ++i) {
            const T *x = terms[t].x + at + i * row;
            const T *d = terms[t].w + ((i + 1) * (map.w + 2) + 1) * co + channel;
            for (Index k = 0; k < map.w; ++k, x += map.ci, d += co) {
                Vector<T> factor[N];
                for (int n = 0; n < N; ++n) factor[n] = load(d + n * L);
#pragma GCC unroll 16
                for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
                    for (int j = 0; j < J; ++j)
#pragma GCC unroll 16
                        for (int n = 0; n < N; ++n) sum[r][j][n] += x[r * row + j] * factor[n];
            }
        }
    for (int r = 0; r < R; ++r)
        for (int j = 0; j < J; ++j)
            for (int n = 0; n < N; ++n) store(w + r * below + j * co + channel + n * L, sum[r][j][n]);
}

template <class T>
using Gather = void (*)(const Term<T> *, int, const Map &, Index, Index, T *);

template <class T, int N, int... J>
constexpr std::array<Gather<T>, sizeof...(J)> gathers(std::integer_sequence<int, J...>) {
    return {&gather<T, N, 1, J + 1>...};
}

template <class T, int N>
void add_weights_of(const Term<T> *terms, int n, const Map &map, Index channel, T *w) {
    static constexpr auto some = gathers<T, N>(std::make_integer_sequence<int, longest>{});
    const Index width = 3 * map.ci;
    if (width == 3) return gather<T, N, 3, 3>(terms, n, map, 0, channel, w);
    for (int ky = 0; ky < 3; ++ky)
        for (Index j = 0; j < width; j += longest) {
            const Index size = width - j < longest ? width - j : longest;
            some[size - 1](terms, n, map, ky * map.row() + j, channel, w + (ky * width + j) * map.co);
        }
}

// w [3][3][ci][co] += gradient: sum over terms and pixels of picture times gradient at the convolution.
template <class T>
void add_weight_gradient(std::initializer_list<Term<T>> terms, const Map &map, T *w) {
    constexpr Index L = Lanes<T>::count;
    const int n = static_cast<int>(terms.size());
    for (Index channel = 0; channel < map.co; channel += 2 * L) {
        if (map.co - channel < 2 * L)
            add_weights_of<T, 1>(terms.begin(), n, map, channel, w);
        else
            add_weights_of<T, 2>(terms.begin(), n, map, channel, w);
    }
}

// Weights of the adjoint convolution: turned by half a circle, in and out exchanged.
template <class T>
void turn(const T *w, Index ci, Index co, T *turned) {
    for (int tap = 0; tap < 9; ++tap)
        for (Index o = 0; o < co; ++o)
            for (Index i = 0; i < ci; ++i) turned[((8 - tap) * co + o) * ci + i] = w[(tap * ci + i) * co + o];
}

}  // namespace conv4
