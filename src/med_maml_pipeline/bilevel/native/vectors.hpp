// Vectors of 64 bytes in plain C++: one AVX-512 register, and what the compiler makes of it elsewhere.
#pragma once
#include <cstddef>
#include <cstring>

namespace conv4 {

using Index = std::ptrdiff_t;

template <class T>
struct Lanes {
    typedef T V __attribute__((vector_size(64)));
    typedef decltype(V{} < V{}) M;  // comparisons: integers of the same width, 0 or -1
    static constexpr Index count = 64 / sizeof(T);
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
    static_assert(sizeof value == 64);
    std::memcpy(at, &value, sizeof value);
}

}  // namespace conv4
