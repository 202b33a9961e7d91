import Foundation
import Testing

/// Random functions, compiled and interpreted (`scripts/soak compile`), with seeds that do not change.
@Suite struct CompileFuzzTests {
    private static let file =
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path + "/soak/compile.lua"

    @Test(arguments: [1, 2, 3]) func randomFunctionsAreThoseOfTheInterpreter(seed: Int) {
        check(
            """
            local print = print
            local said
            _G.print = function(...) said = ... end
            _G.arg = { [0] = "\(Self.file)", "--seed", "\(seed)", "--calls", "1500" }
            dofile(arg[0])
            _G.print = print
            local calls, compiled = said:match "^(%d+) calls: .- (%d+) compiled$"
            assert(tonumber(compiled) * 2 > tonumber(calls), said)
            """)
    }
}
