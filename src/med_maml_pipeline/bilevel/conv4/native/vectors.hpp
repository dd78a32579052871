// Vectors in plain C++, as wide as the registers of the processor that this is compiled for.
#pragma once
#include <cstddef>
#include <cstring>

namespace conv4 {

using Index = std::ptrdiff_t;

// Wider vectors than registers would be split and spilled: correct, and forty times slower.
#if defined(__AVX512F__)
constexpr int vector_bytes = 64;
#elif defined(__AVX__)
constexpr int vector_bytes = 32;
#else
constexpr int vector_bytes = 16;
#endif

// Pixels of a strip: twice as many sums, two weights and a factor fit in the registers (32 or 16).
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int longest = 12;
#else
constexpr int longest = 6;
#endif

template <class T>
struct Lanes {
    typedef T V __attribute__((vector_size(vector_bytes)));
    typedef decltype(V{} < V{}) M;  // comparisons: integers of the same width, 0 or -1
    static constexpr Index count = vector_bytes / sizeof(T);
};

template <class T>
using Vector = typename Lanes<T>::V;

template <class T>
using Mask = typename Lanes<T>::M;

template <class T>
inline Vector<T> load(const T *at) {
    Vector<T> value;
    std::memcpy(&value, at, sizeof value);
    return value;
}

template <class T>
inline Mask<T> load_mask(const T *at) {
    Mask<T> value;
    std::memcpy(&value, at, sizeof value);
    return value;
}

template <class T, class Value>
inline void store(T *at, Value value) {
    static_assert(sizeof value == vector_bytes);
    std::memcpy(at, &value, sizeof value);
}

}  // namespace conv4
