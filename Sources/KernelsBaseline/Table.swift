public import Kernels

/// The kernels of this module's instruction set. Package.swift compiles the same sources for each set.
public func kernels(_ name: StaticString) -> Kernels {
    Kernels(
        name: name, countByte: countByte, find: find, findLast: findLast, count: count, sum: sum,
        extremes: extremes, summary: summary, convert: convert, narrow: narrow, deviations: deviations,
        dot: dot,
        dotExact: dotExact, countWhere: countWhere, findWhere: findWhere, combine: combine)
}
