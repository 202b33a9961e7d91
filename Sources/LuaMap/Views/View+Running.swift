internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap
internal import Vectors

// `cumsum`, `diff`, and `rolling`.

extension Arguments {
    /// The operation, `cumsum`, `diff`, or `rolling`, and the argument number of its target.
    fileprivate func running(_ operation: CInt) throws(MapError) -> (operation: RunningOperation, into: Int32)
    {
        switch operation {
        case CInt(LM_CUMSUM): return (.sums, 2)
        case CInt(LM_DIFF): return (.differences, 2)
        default:
            guard let name = string(2) else { throw MapError(type: "string", argument: 2) }
            let rolling: RollingOperation
            if name.elementsEqual("sum".utf8) {
                rolling = .sum
            } else if name.elementsEqual("mean".utf8) {
                rolling = .mean
            } else if name.elementsEqual("min".utf8) {
                rolling = .least
            } else if name.elementsEqual("max".utf8) {
                rolling = .greatest
            } else {
                throw MapError(unknown: "%s is not one of", of: "sum mean min max", argument: 2)
            }
            return (.rolling(rolling, try integer(3)), 4)
        }
    }

    fileprivate func resultCount(_ operation: RunningOperation) throws(MapError) -> Int {
        let count = try elements(1).count
        return try about(3) { () throws(MapError) in try operation.resultCount(count) }
    }
}

/// [-0, +0, –] uses no slots; never raises.
private func run(_ L: LuaState, _ operation: RunningOperation, _ target: MappedElements) throws(MapError) {
    let elements = try Arguments(L).elements(1)
    let monitor = try Monitor(L, total: elements.count)
    do throws(MapError) {
        try elements.run(operation, into: target, shouldContinue: monitor.shouldContinue)
    } catch {
        throw error.kind == .valueOutOfRange ? MapError(error, element: error.values.1) : error
    }
}

/// `v:cumsum(into)` and its like: the target. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_view_run_into(_ L: LuaState, _ outcome: Outcome, _ operation: CInt) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let (operation, into) = try arguments.running(operation)
        let target = try arguments.elements(into)
        _ = try arguments.resultCount(operation)
        try run(L, operation, target)
        lua_pushvalue(L, into)
        return 1
    }
}

/// `v:cumsum()` and its like. [-0, +0, –] uses no slots; never raises. The new view is on top.
@implementation @c
func lm_view_run(
    _ L: LuaState, _ outcome: Outcome, _ operation: CInt, _ buffer: BufferPointer,
    _ target: ViewPointer
) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let (operation, _) = try arguments.running(operation)
        var elements = try arguments.elements(1)
        try elements.refresh()
        let count = try arguments.resultCount(operation)
        try filling(buffer, target) { () throws(MapError) in
            let result = try makeElements(operation.resultType(elements.type), count, buffer, target)
            try run(L, operation, result)
        }
        return 1
    }
}
