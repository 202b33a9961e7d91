public import Vectors

/// The vector code of this module's instruction set. Package.swift compiles the same sources for each set.
public func vectors(_ name: StaticString) -> Vectors {
    Vectors(
        name: name, countByte: countByte, find: find, findLast: findLast, count: count, sum: sum,
        extremes: extremes, summary: summary, convert: convert, narrow: narrow, deviations: deviations,
        dot: dot,
        dotExact: dotExact, countWhere: countWhere, findWhere: findWhere, combine: combine)
}
