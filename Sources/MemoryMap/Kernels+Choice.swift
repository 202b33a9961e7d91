package import Kernels
internal import KernelsBaseline

/// The kernels in use. Whoever has faster ones that run on this processor puts them here before the
/// first work is done: code for newer processors is not part of this library.
nonisolated(unsafe) package var activeKernels = kernels("baseline")
