internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap

/// `b:split(n [, separator or options])`: the end of a piece. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_split_end(
    _ L: LuaState, _ outcome: Outcome, _ i: Int64, _ n: Int64, _ from: Int64, _ cuts: UnsafePointer<lm_cuts>
) -> Int64 {
    var end: Int64 = 0
    let code = respond(outcome) { () throws(MapError) in
        let bytes = try Arguments(L).bytes(1)
        let monitor = try Monitor(L)
        let cuts = Cuts(
            separator: cuts.pointee.separator, quote: cuts.pointee.csv ? cuts.pointee.quote : nil,
            escape: cuts.pointee.escape)
        end = Int64(
            try bytes.endOfPiece(Int(i), of: Int(n), from: Int(from), cuts) { monitor.shouldContinue($0) })
        return 0
    }
    return code < 0 ? Int64(code) : end
}
