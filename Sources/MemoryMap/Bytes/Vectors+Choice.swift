package import Vectors
internal import VectorsBaseline

/// The vector code in use. Code for newer processors is not part of this library: a program that has faster
/// vector code sets this before the first operation. After that the variable does not change, so access needs no
/// lock.
@exclusivity(unchecked) nonisolated(unsafe) package var activeVectors = vectors("baseline")
