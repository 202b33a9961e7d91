package import Kernels
internal import KernelsBaseline

/// The kernels in use. Whoever has faster ones that run on this processor puts them here before the
/// first work is done, so that no access need be watched: code for newer processors is not part of this
/// library.
@exclusivity(unchecked) nonisolated(unsafe) package var activeKernels = kernels("baseline")
