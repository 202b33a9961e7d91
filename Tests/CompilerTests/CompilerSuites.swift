import Testing

/// One at a time: all that is compiled shares the description of the processor, which LLVM changes. The plug-in has a
/// lock for it, in front of what these suites call.
@Suite(.serialized) enum CompilerSuites {}
