internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import Glibc
internal import MemoryMap
internal import Tables

/// A running question and its interpreter: Ctrl-C, the progress bar, and calls of the script's functions.
///
/// Every function here is [-0, +0, –] unless it says otherwise: it never raises.
final class LuaRun {
    private var state: LuaState
    /// The index of the Lua table of the plan's functions.
    private var keep: CInt
    private var hooks: CInt
    private var bar: ProgressBar?
    private weak var run: Run?
    private let tries: MachineTries
    private var codes: [MachineRows] = []

    private init(_ state: LuaState, _ keep: CInt, _ tries: MachineTries) {
        (self.state, self.keep, self.tries) = (state, keep, tries)
        hooks = lua_gethookmask(state)
    }

    /// A run that calls the interpreter of a state.
    static func make(_ state: LuaState, keep: CInt) -> (run: Run, lua: LuaRun) {
        make(state, keep: keep, MachineTries())
    }

    private static func make(_ state: LuaState, keep: CInt, _ tries: MachineTries) -> (run: Run, lua: LuaRun)
    {
        let lua = LuaRun(state, keep, tries)
        let run = Run(functions: lua) { lua.shouldContinue($0) }
        lua.run = run
        return (run, lua)
    }

    /// Runs a body with the machine code of all functions, and where that cannot be, once more with the interpreter.
    static func answer<Value>(
        _ state: LuaState, keep: CInt, _ body: (Run) throws(TableError) -> Value
    ) throws(TableError) -> Value {
        let tries = MachineTries()
        repeat {
            let run = make(state, keep: keep, tries).run
            run.usesMachineCode = true
            do throws(TableError) { return try body(run) } catch {
                guard case .needsInterpreter = error else { throw error }
            }
        } while tries.hasLearned()
        return try body(make(state, keep: keep).run)
    }

    /// Goes on in another call from Lua, which may be of another coroutine.
    func resume(_ state: LuaState, keep: CInt) {
        (self.state, self.keep) = (state, keep)
        hooks = lua_gethookmask(state)
    }

    private func shouldContinue(_ done: Int) -> Bool {
        if let total = run?.total, total > 0, ProgressBar.isWanted {
            if bar == nil { bar = ProgressBar() }
            bar?.show(done, of: total)
        }
        return !lm_is_interrupted() && lua_gethookmask(state) == hooks
    }
}

extension LuaRun {
    /// [-0, +0, –] uses few slots, which it makes sure of; never raises.
    func machineCode(_ function: Int, _ types: [ColumnType]) -> (any RowCode)? {
        let kinds = types.map { UInt8(truncatingIfNeeded: $0.cellKind) }
        let code = tries.withWanted(function) {
            lm_row_code_open(state, keep, Int64(function), kinds + [0], types.count, $0)
        }
        guard let code else { return nil }
        let rows = MachineRows(code, function, types, tries, self)
        codes.append(rows)
        return rows
    }

    /// [-0, +0, –] uses few slots, which it makes sure of; never raises.
    func beginMachineCode() throws(TableError) {
        for rows in codes where !lm_row_code_read(state, keep, rows.code) { throw .needsInterpreter }
        mm_escape_begin()
    }

    func endMachineCode() { mm_escape_end() }

    func leaveMachineCode() { mm_end_runs(Unmanaged.passUnretained(self).toOpaque()) }

    /// On any thread.
    fileprivate func poll() throws(TableError) { try run?.poll() }
}

/// What was learned in vain: combinations of nil and booleans that have no machine code yet.
private final class MachineTries {
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private var wanted: (function: Int, kinds: [UInt8])?
    private var left = Int(LM_MOST_COMBINATIONS)

    init() { pthread_mutex_init(lock, nil) }

    deinit {
        pthread_mutex_destroy(lock)
        lock.deallocate()
    }

    /// On any thread.
    func want(_ function: Int, _ kinds: [UInt8]) {
        pthread_mutex_lock(lock)
        if wanted == nil { wanted = (function, kinds) }
        pthread_mutex_unlock(lock)
    }

    func withWanted<Value>(_ function: Int, _ body: (UnsafePointer<UInt8>?) -> Value) -> Value {
        guard let kinds = wanted?.kinds, wanted?.function == function else { return body(nil) }
        wanted = nil
        return kinds.withUnsafeBufferPointer { body($0.baseAddress) }
    }

    /// Whether another try is worth it.
    func hasLearned() -> Bool {
        left &-= 1
        return left > 0 && wanted != nil
    }
}

/// The machine code of a function for the rows of a table.
private final class MachineRows: RowCode {
    let code: OpaquePointer
    private let function: Int
    private let types: [ColumnType]
    private let tries: MachineTries
    private unowned let lua: LuaRun

    init(_ code: OpaquePointer, _ function: Int, _ types: [ColumnType], _ tries: MachineTries, _ lua: LuaRun)
    {
        (self.code, self.function, self.types, self.tries, self.lua) = (code, function, types, tries, lua)
    }

    deinit { lm_row_code_close(code) }

    func makeWorker() throws(TableError) -> any RowWorker {
        guard let worker = lm_row_worker_open(code) else { throw .needsInterpreter }
        return Worker(worker, self)
    }

    private final class Worker: RowWorker {
        private let worker: OpaquePointer
        private let rows: MachineRows
        private let vectors: UnsafeMutableBufferPointer<lm_vector>

        init(_ worker: OpaquePointer, _ rows: MachineRows) {
            (self.worker, self.rows) = (worker, rows)
            vectors = .allocate(capacity: rows.types.count &+ 1)
        }

        deinit {
            vectors.deallocate()
            lm_row_worker_close(worker)
        }

        func compute(
            _ batch: Batch, _ columns: [Column], arguments: [Int], _ results: Results
        ) throws(TableError) {
            guard let base = vectors.baseAddress else { return }
            for (index, column) in arguments.enumerated() where index < rows.types.count {
                guard let vector = batch.vectors[column] else { throw TableError("a column was not read") }
                (base + index).initialize(to: lm_vector(vector, columns[column].type))
            }
            var work = lm_row_batch(
                vectors: base, count: batch.count, row: 0, kinds: results.kinds, words: results.words)
            let owner = Unmanaged.passUnretained(rows.lua).toOpaque()
            while true {
                switch Int(lm_compute_rows(worker, owner, &work)) {
                case LM_ROWS_DONE: return
                // The row is computed once more: it changes nothing.
                case LM_ROWS_LEFT: try rows.lua.poll()
                case LM_ROWS_COMBINATION:
                    let kinds = UnsafeBufferPointer(
                        start: lm_row_worker_kinds(worker), count: rows.types.count &+ 1)
                    rows.tries.want(rows.function, Array(kinds))
                    throw .needsInterpreter
                default: throw .needsInterpreter
                }
            }
        }
    }
}

/// Where the strings go that a function returns for a batch. C has a pointer to it while the call runs.
private final class RowCall {
    let results: Results
    var failure: TableError?

    init(_ results: Results) { self.results = results }
}

extension LuaRun: ScriptFunctions {
    /// [-0, +(0|1), –] uses few slots, which it makes sure of; never raises. After `raised` the error is on top.
    func call(
        _ function: Int, _ batch: Batch, _ columns: [Column], arguments: [Int], _ results: Results
    ) throws(TableError) {
        var vectors: [lm_vector] = []
        for column in arguments {
            guard let vector = batch.vectors[column] else { throw TableError("a column was not read") }
            vectors.append(lm_vector(vector, columns[column].type))
        }
        results.arena.removeAll()
        let owner = RowCall(results)
        // The function may print.
        bar = nil
        let isDone = vectors.withUnsafeMutableBufferPointer { vectors in
            // Without arguments, any address.
            let start = vectors.baseAddress ?? UnsafeMutablePointer(bitPattern: 8).unsafelyUnwrapped
            var call = lm_row_call(
                L: state, owner: Unmanaged.passUnretained(owner).toOpaque(), vectors: start,
                count: batch.count,
                function: Int64(function), keep: keep, arguments: Int32(truncatingIfNeeded: arguments.count),
                kinds: results.kinds, words: results.words)
            return lm_call_rows(&call)
        }
        withExtendedLifetime(owner) {}
        // The function may set hooks of its own.
        hooks = lua_gethookmask(state)
        if let failure = owner.failure { throw failure }
        if !isDone { throw .raised }
    }
}

extension lm_vector {
    init(_ vector: Vector, _ type: ColumnType) {
        self.init(values: vector.values, nulls: vector.nulls, kind: Int32(type.cellKind))
    }
}

extension ColumnType {
    /// LM_CELL_BOOLEAN …
    fileprivate var cellKind: Int {
        switch self {
        case .string: LM_CELL_STRING
        case .number, .time: LM_CELL_FLOAT
        case .integer, .u64: LM_CELL_INTEGER
        case .boolean: LM_CELL_BOOLEAN
        }
    }
}

/// The string that a function returned. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_call_string(
    _ owner: UnsafeMutableRawPointer, _ row: Int, _ bytes: UnsafePointer<CChar>, _ count: Int
) -> Bool {
    let call = Unmanaged<RowCall>.fromOpaque(owner).takeUnretainedValue()
    let results = call.results
    do throws(TableError) {
        let text = Text(UnsafeRawPointer(bytes).assumingMemoryBound(to: UInt8.self), count)
        results.texts[row] = try results.arena.copy(text)
        return true
    } catch {
        call.failure = error
        return false
    }
}
