import Foundation
import Testing

/// The table of all functions, and Lua files that a suite is written in.
enum Interface {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent()

    /// Makes `methods` what methods.lua returns, and the functions of it that the suites use most.
    static let tools = """
        methods = dofile [[\(folder.deletingLastPathComponent().path)/methods.lua]]
        interface, traced, add_class = methods.interface, methods.traced, methods.add_class
        -- A fixture with files of the test's own, which go away with them.
        function new_fixture()
          local fixture, remove = methods.fixture(scratch():match "^(.*)/([^/]*)$"), cleanup
          function cleanup() fixture.close() remove() end
          return fixture
        end

        """

    /// A file of the folder `lua` beside the suites. It returns a table of tests by their names.
    static func suite(_ name: String) throws -> String {
        try String(contentsOf: folder.appending(path: "lua/\(name).lua"), encoding: .utf8)
    }
}

/// Runs the test of this name that a Lua file of the folder `lua` has.
func check(suite: String, test: String = #function, sourceLocation: SourceLocation = #_sourceLocation) {
    guard let source = try? Interface.suite(suite), let script = Script() else {
        Issue.record("no suite, or no memory for a Lua state", sourceLocation: sourceLocation)
        return
    }
    let run = "local suite = (function() \(source)\nend)() suite.\(test)"
    if let problem = script.run(Interface.tools, name: "tools") ?? script.run(run) {
        Issue.record("\(problem)", sourceLocation: sourceLocation)
    }
}
