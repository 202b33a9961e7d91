internal import CLua
internal import CLuaMap
internal import CMemoryMap
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

    private init(_ state: LuaState, _ keep: CInt) {
        (self.state, self.keep) = (state, keep)
        hooks = lua_gethookmask(state)
    }

    /// A run that calls the interpreter of a state.
    static func make(_ state: LuaState, keep: CInt) -> (run: Run, lua: LuaRun) {
        let lua = LuaRun(state, keep)
        let run = Run(functions: lua) { lua.shouldContinue($0) }
        lua.run = run
        return (run, lua)
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

/// What a call of a function for a batch writes. C has a pointer to it while the call runs.
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
                function: Int64(function), keep: keep, arguments: Int32(truncatingIfNeeded: arguments.count))
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
        let kind =
            switch type {
            case .string: LM_CELL_STRING
            case .number, .time: LM_CELL_FLOAT
            case .integer, .u64: LM_CELL_INTEGER
            case .boolean: LM_CELL_BOOLEAN
            }
        self.init(values: vector.values, nulls: vector.nulls, kind: Int32(kind))
    }
}

/// The result of a function. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_call_result(_ owner: UnsafeMutableRawPointer, _ row: Int, _ result: UnsafePointer<lm_result>) -> Bool
{
    let call = Unmanaged<RowCall>.fromOpaque(owner).takeUnretainedValue()
    let results = call.results
    let kind: Results.Kind
    switch Int(result.pointee.kind) {
    case LM_CELL_NIL: kind = .null
    case LM_CELL_BOOLEAN: kind = .boolean
    case LM_CELL_INTEGER: kind = .integer
    case LM_CELL_FLOAT: kind = .float
    case LM_CELL_STRING: kind = .string
    default: kind = .other
    }
    results.kinds[row] = kind.rawValue
    results.words[row] = result.pointee.bits
    guard kind == .string, let bytes = result.pointee.bytes else { return true }
    do throws(TableError) {
        let text = Text(UnsafeRawPointer(bytes).assumingMemoryBound(to: UInt8.self), result.pointee.count)
        results.texts[row] = try results.arena.copy(text)
        return true
    } catch {
        call.failure = error
        return false
    }
}
