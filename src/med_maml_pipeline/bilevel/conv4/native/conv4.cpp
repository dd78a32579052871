// C interface of the four blocks of Conv4, for ctypes; float (`_f32`) and double (`_f64`).
//
// Built at installation for the processor it is installed on (-march=native): build it again elsewhere.
// Tape and dots hold `n` pictures, scratch one thread's work; all three start as zeros.
#include "body.hpp"

using conv4::Body;
using conv4::Index;
using conv4::Shape;

// Raised with every change of this interface: a library from before an update is then left alone.
extern "C" int conv4_interface() { return 2; }

#define CONV4_INTERFACE(T, SUFFIX)                                                                              \
    extern "C" void conv4_sizes_##SUFFIX(const Shape *shape, Index *tape_scratch) {                             \
        const Body<T> body(*shape);                                                                             \
        tape_scratch[0] = body.tape();                                                                          \
        tape_scratch[1] = body.scratch();                                                                       \
    }                                                                                                           \
    extern "C" void conv4_forward_##SUFFIX(const Shape *shape, Index n, const T *x, const T *theta, T *tape,    \
                                           T *scratch, T *embedding) {                                          \
        const Body<T> body(*shape);                                                                             \
        for (Index k = 0; k < n; ++k)                                                                           \
            body.forward(x + k * body.pixels(), theta, tape + k * body.tape(), scratch,                         \
                         embedding + k * body.embedding());                                                     \
    }                                                                                                           \
    extern "C" void conv4_backward_##SUFFIX(const Shape *shape, Index n, const T *theta, T *tape,               \
                                            const T *d_embedding, T *scratch, T *gradient) {                    \
        const Body<T> body(*shape);                                                                             \
        body.prepare(theta, nullptr, scratch);                                                                  \
        for (Index k = 0; k < n; ++k)                                                                           \
            body.backward(theta, tape + k * body.tape(), d_embedding + k * body.embedding(), scratch, gradient); \
    }                                                                                                           \
    extern "C" void conv4_tangent_##SUFFIX(const Shape *shape, Index n, const T *theta, const T *direction,     \
                                           T *tape, T *dots, T *scratch, T *embedding_dot) {                    \
        const Body<T> body(*shape);                                                                             \
        for (Index k = 0; k < n; ++k)                                                                           \
            body.tangent(theta, direction, tape + k * body.tape(), dots + k * body.tape(), scratch,             \
                         embedding_dot + k * body.embedding());                                                 \
    }                                                                                                           \
    extern "C" void conv4_tangent_backward_##SUFFIX(const Shape *shape, Index n, const T *theta,                \
                                                    const T *direction, T *tape, T *dots, const T *d_embedding, \
                                                    const T *d_embedding_dot, T *scratch, T *gradient_dot) {    \
        const Body<T> body(*shape);                                                                             \
        body.prepare(theta, direction, scratch);                                                                \
        for (Index k = 0; k < n; ++k)                                                                           \
            body.tangent_backward(theta, direction, tape + k * body.tape(), dots + k * body.tape(),             \
                                  d_embedding + k * body.embedding(), d_embedding_dot + k * body.embedding(),   \
                                  scratch, gradient_dot);                                                       \
    }

CONV4_INTERFACE(float, f32)
CONV4_INTERFACE(double, f64)
