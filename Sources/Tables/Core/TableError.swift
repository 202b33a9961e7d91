package import MemoryMap

/// Why a table could not be made or read.
///
/// Most errors name a file, a line, or a column, so that a `MapError`, which is a template with three numbers, cannot say
/// them.
package enum TableError: Error {
    /// An error of the library below; with the path of the file if there is one.
    case map(MapError, path: [UInt8]?)
    /// The data, or what a plan asks of them, is wrong: the message as bytes, since names and fields may be any.
    case data([UInt8])
    /// No memory was left for more groups than so many.
    case groups(MapError, Int)
    /// A Lua function raised an error, which is on top of the caller's stack.
    case raised
    /// Machine code cannot go on: the run has to be made again, see `RowCode`.
    case needsInterpreter

    package init(_ error: MapError) { self = .map(error, path: nil) }

    package init(_ message: String) { self = .data([UInt8](message.utf8)) }

    package static var interrupted: TableError { TableError(MapError(.interrupted)) }
}

/// Runs an operation of the library below, whose errors become those of tables.
@inline(__always)
package func mapped<Value>(
    path: [UInt8]? = nil, _ body: () throws(MapError) -> Value
) throws(TableError) -> Value {
    do { return try body() } catch { throw .map(error, path: path) }
}
