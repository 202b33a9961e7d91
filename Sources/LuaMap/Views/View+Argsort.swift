internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap
internal import Vectors

/// `v:argsort(["desc"])`. [-0, +0, –] uses no slots; never raises. The new view is on top.
@implementation @c
func lm_view_argsort(
    _ L: LuaState, _ outcome: Outcome, _ operation: CInt, _ buffer: BufferPointer, _ target: ViewPointer
) -> CInt {
    respond(outcome) { () throws(MapError) in
        _ = try Arguments(L).view(1)
        let isDescending = try Arguments(L).isDescending(2)
        try filling(buffer, target) { () throws(MapError) in
            try work(L) { (elements, monitor) throws(MapError) in
                let result = try makeElements(.uint64, elements.count, buffer, target)
                guard elements.count > 0, let base = result.elements.region.base else { return }
                let order = UnsafeMutableRawPointer(base).bindMemory(
                    to: UInt64.self, capacity: elements.count)
                try elements.argsort(
                    into: order, isDescending: isDescending, shouldContinue: monitor.shouldContinue)
                try result.checkIntact()
            }
        }
        return 1
    }
}
