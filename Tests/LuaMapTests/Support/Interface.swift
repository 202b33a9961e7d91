import Foundation
import Testing

/// Lua files of the suites, in the folder `lua` beside them.
enum Interface {
    private static let folder =
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path + "/lua/"

    /// Functions for every script.
    static let prelude = "dofile [[\(folder)prelude.lua]]\n"
    /// The method table too.
    static let tools = "dofile [[\(folder)tools.lua]]\n"

    /// What `math.random` begins with: the variable MMAPLUA_SEED, or 1, so that a failure comes again.
    static let seed = ProcessInfo.processInfo.environment["MMAPLUA_SEED"].flatMap { Int($0) } ?? 1

    /// Whether `mmap.compile` is called for every function of the scripts: the variable MMAPLUA_COMPILED says so.
    static let isCompiled = ProcessInfo.processInfo.environment["MMAPLUA_COMPILED"] != nil
    /// Sets `__change`, which changes a source so, and `__compiled`, which the new source calls.
    static let compiled = "__change = dofile [[\(folder)../../compiled.lua]]\n"

    /// A suite: it returns a table of tests by name.
    static func suite(_ name: String) throws -> String {
        try String(contentsOfFile: folder + name + ".lua", encoding: .utf8)
    }
}

/// Runs the test of this name in a Lua suite.
func check(suite: String, test: String = #function, sourceLocation: SourceLocation = #_sourceLocation) {
    guard let script = Script() else {
        Issue.record("no memory for a Lua state", sourceLocation: sourceLocation)
        return
    }
    script.run(suite: suite, test: test, sourceLocation: sourceLocation)
}

extension Script {
    /// Runs `test()` of the suite.
    func run(suite: String, test: String, sourceLocation: SourceLocation = #_sourceLocation) {
        do {
            let source = try Interface.suite(suite)
            let call = "local suite = (function() \(source)\nend)() suite.\(test)"
            if let problem = run(Interface.tools, name: "tools") ?? run(call) {
                Issue.record("\(problem)", sourceLocation: sourceLocation)
            }
        } catch {
            Issue.record("\(error)", sourceLocation: sourceLocation)
        }
    }
}
