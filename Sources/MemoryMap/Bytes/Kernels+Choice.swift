package import Kernels
internal import KernelsBaseline

/// The kernels in use. Code for newer processors is not part of this library: a program that has faster
/// kernels sets this before the first operation. After that the variable does not change, so access needs no
/// lock.
@exclusivity(unchecked) nonisolated(unsafe) package var activeKernels = kernels("baseline")
