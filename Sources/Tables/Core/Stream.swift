internal import Glibc
internal import MemoryMap

/// What a running question asks from time to time, on any thread.
package final class Run {
    /// Asked on the caller's thread only, with the amount of work done; false stops the run.
    private let shouldContinue: (_ done: Int) -> Bool
    private let caller = pthread_self()
    /// Written by any thread, read by all: only ever set.
    nonisolated(unsafe) private var stopped = false
    nonisolated(unsafe) private var last = 0
    /// The amount of work of the stream that is being read; 0 if unknown.
    nonisolated(unsafe) package private(set) var total = 0

    /// Calls functions of the script; nil if there is no interpreter.
    let functions: (any ScriptFunctions)?

    package init(functions: (any ScriptFunctions)? = nil, shouldContinue: @escaping (_ done: Int) -> Bool) {
        (self.functions, self.shouldContinue) = (functions, shouldContinue)
    }

    /// Whether the script's functions run as machine code, on all threads, and the interpreter does not run at all.
    package var usesMachineCode = false

    /// Runs a body with the machine code of the script's functions, which has to be ended on other threads if the run is
    /// stopped. The interpreter does not run meanwhile.
    func withMachineCode(_ body: (_ leave: (() -> Void)?) throws(TableError) -> Void) throws(TableError) {
        guard usesMachineCode, let functions else { return try body(nil) }
        try functions.beginMachineCode()
        defer { functions.endMachineCode() }
        try body { functions.leaveMachineCode() }
    }

    /// Another stream is read from now on.
    func begin(_ total: Int) { (self.total, last) = (total, 0) }

    /// - Throws: `interrupted` if the run was stopped.
    @inline(__always)
    package func poll(_ done: Int? = nil) throws(TableError) {
        if let done { last = max(last, done) }
        if !stopped && isOnCaller && !shouldContinue(last) { stopped = true }
        if stopped { throw .interrupted }
    }

    /// Whether this is the thread on which the interpreter runs.
    var isOnCaller: Bool { pthread_equal(caller, pthread_self()) != 0 }

    /// Whether `poll` does not throw.
    var shouldGoOn: Bool {
        do throws(TableError) { try poll() } catch { return false }
        return true
    }
}

/// The rows of a piece of a stream, batch by batch.
///
/// One thread at a time uses a cursor.
package class Cursor {
    package init() {}

    /// The next rows; nil at the end. The batch, which may be empty, and all it points to are valid until the next call.
    package func next() throws(TableError) -> Batch? { nil }
}

/// A part of a stream that is read by one thread.
package struct Piece {
    package let cursor: Cursor
    /// Of the whole work, in the unit of `RowStream.total`, when the piece is done.
    package let done: Int

    package init(_ cursor: Cursor, done: Int) { (self.cursor, self.done) = (cursor, done) }
}

/// Rows that are read once, from first to last, in pieces.
///
/// Where the pieces are cut depends on the source alone, not on the number of threads: so do results that are put together
/// piece by piece.
package class RowStream {
    package let columns: [Column]
    /// False if the pieces of `next` have to be read by the caller's thread, one after the other.
    package let isParallel: Bool
    /// The amount of work, for the progress bar; 0 if unknown.
    package let total: Int

    package init(_ columns: [Column], isParallel: Bool, total: Int) {
        (self.columns, self.isParallel, self.total) = (columns, isParallel, total)
    }

    /// The number of rows, where it is known before they are read.
    package var rowCount: Int? { nil }

    /// The next piece; nil at the end. One thread at a time calls it; the cursors of several pieces are then used by
    /// several threads at once.
    package func next() throws(TableError) -> Piece? { nil }

    /// Whether there is `prepared`.
    package var canPrepare: Bool { isParallel }

    /// The next piece, which any thread may read: what only the caller's thread can do with its rows has been done. For
    /// the caller's thread, if all rows are wanted.
    package func prepared() throws(TableError) -> Piece? { try next() }

    /// Whether the batches of pieces that are prepared are in private memory, and stay while their cursors do.
    package var isKept: Bool { false }
}

/// Where rows come from: a file or several, a buffer, records, views.
package class Source {
    /// What the columns are, types included.
    package let columns: [Column]

    package init(_ columns: [Column]) { self.columns = columns }

    /// Starts reading.
    ///
    /// - Parameters:
    ///   - wanted: For each column whether its values are needed.
    ///   - filters: Rows that do not pass all of them are left out. What is needed for them is read first. A filter's
    ///     column need not be wanted.
    package func open(
        _ run: Run, wanted: [Bool], filters: [Predicate]
    ) throws(TableError) -> RowStream {
        RowStream(columns, isParallel: false, total: 0)
    }

    /// Part `k` of `n`, both from 1, cut between rows.
    package func piece(_ k: Int, of n: Int) throws(TableError) -> Source {
        throw TableError("this source cannot be cut into pieces")
    }

    /// The rows that did not fit and were left out, in the last run.
    package var skipped: Int { 0 }

    /// What changes where the rows do; nil if nobody knows: a script may write its own memory at any time.
    package var stamp: [Int]? { nil }

    /// The source in words, for `t:explain()`: a line without its end.
    package var explanation: [UInt8] { [] }
}

/// The functions of a script that a plan refers to by numbers.
package protocol ScriptFunctions: AnyObject {
    /// Calls a function for each row of a batch, on the caller's thread.
    ///
    /// - Parameters:
    ///   - arguments: The batch's columns whose values are the arguments. Their strings are in private memory.
    ///   - results: Gets the first result for each row.
    /// - Throws: `raised`: the error is on the stack.
    func call(
        _ function: Int, _ batch: Batch, _ columns: [Column], arguments: [Int], _ results: Results
    ) throws(TableError)

    /// The machine code of a function for values of these types; nil if there is none.
    func machineCode(_ function: Int, _ types: [ColumnType]) -> (any RowCode)?
    /// Machine code runs from now on, and the interpreter does not.
    /// - Throws: `needsInterpreter`
    func beginMachineCode() throws(TableError)
    func endMachineCode()
    /// Ends machine code that runs on other threads.
    func leaveMachineCode()
}

/// Machine code of a function, which changes nothing but its results.
///
/// A run whose functions all have machine code uses all threads. Where a row needs the interpreter (for an error above
/// all), the whole run is made again by the interpreter, row after row: since nothing was changed, nobody sees the first
/// try, and results, errors and their order are the interpreter's.
package protocol RowCode: AnyObject {
    /// What one thread needs.
    func makeWorker() throws(TableError) -> any RowWorker
}

package protocol RowWorker: AnyObject {
    /// Computes the result for each row of a batch, on any thread.
    ///
    /// - Throws: `needsInterpreter`, `interrupted`.
    func compute(
        _ batch: Batch, _ columns: [Column], arguments: [Int], _ results: Results
    ) throws(TableError)
}

/// What a function of a script returned for the rows of a batch.
package final class Results {
    package enum Kind: UInt8 { case null, boolean, integer, float, string, other }

    /// A `Kind` for each row, as C has it: LM_CELL_NIL …
    package let kinds: UnsafeMutablePointer<UInt8>
    /// Integers, bits of floats, 0 or 1.
    package let words: UnsafeMutablePointer<UInt64>
    /// Strings, in `arena`.
    package let texts: UnsafeMutablePointer<Text>
    package let arena = Arena()
    private let memory: (Memory, Memory, Memory)

    package init() throws(TableError) {
        memory = (
            try Memory(Batch.capacity), try Memory(Batch.capacity &* 8),
            try Memory(Batch.capacity &* MemoryLayout<Text>.stride)
        )
        kinds = memory.0.bound(to: UInt8.self)
        words = memory.1.bound(to: UInt64.self)
        texts = memory.2.bound(to: Text.self)
    }
}

// The compiler takes a call of the same method of another object for an endless recursion.

extension Cursor {
    package final func pull() throws(TableError) -> Batch? { try next() }
}

extension RowStream {
    package final func pull() throws(TableError) -> Piece? { try next() }
    package final func pullPrepared() throws(TableError) -> Piece? { try prepared() }
}
