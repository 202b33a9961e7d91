import Glibc
import Testing

@testable import MemoryMap

/// Trials of advice values, and whether their results are right.
@Suite struct AdviceTrialTests {
    @Test func trialsMatchManPages() throws {
        #expect(try Advice.dontNeed.attempt(on: .privateAnonymous) == AdviceTrial(errno: 0, destroys: true))
        #expect(try Advice.dontNeed.attempt(on: .privateFile) == AdviceTrial(errno: 0, destroys: true))
        #expect(try Advice.dontNeed.attempt(on: .sharedAnonymous) == AdviceTrial(errno: 0))
        #expect(try Advice.dontNeed.attempt(on: .sharedFile) == AdviceTrial(errno: 0))
        #expect(try Advice.remove.attempt(on: .sharedFile) == AdviceTrial(errno: 0, destroys: true))
        #expect(try Advice.remove.attempt(on: .privateAnonymous).errno == EINVAL)
        #expect(try Advice.free.attempt(on: .sharedFile).errno == EINVAL)
        for kind in MappingKind.allCases {
            for advice in [Advice.normal, .random, .sequential, .willNeed] {
                #expect(try advice.attempt(on: kind) == AdviceTrial(errno: 0))
            }
        }
    }

    /// These take a page from the machine for good.
    @Test func brokenMemoryIsNeverTried() throws {
        for advice in [Advice.hardwarePoison, Advice(rawValue: 101)] {
            for kind in MappingKind.allCases {
                #expect(try advice.attempt(on: kind) == AdviceTrial(errno: nil))
            }
        }
    }

    /// The rule that rounds or refuses ranges, against the kernel's behavior.
    @Test func destructiveAdviceIsKnown() throws {
        for (name, advice) in Advice.names where advice.isKnown {
            for kind in MappingKind.allCases {
                let trial = try advice.attempt(on: kind)
                guard trial.destroys else { continue }
                let isShared = kind == .sharedAnonymous || kind == .sharedFile
                let isAnonymous = kind == .privateAnonymous || kind == .sharedAnonymous
                #expect(advice.destroysData(shared: isShared, anonymous: isAnonymous), "\(name), \(kind)")
            }
        }
    }

    /// In a process of its own, as other tests run trials at the same time.
    @Test func trialsLeaveNothing() async {
        await #expect(processExitsWith: .exitCode(0)) {
            for (_, advice) in Advice.names where advice.isKnown {
                for kind in MappingKind.allCases { _ = try advice.attempt(on: kind) }
            }
            #expect(openDescriptors(in: "/memfd:mmaplua") == 0)
            #expect(mappedLines("memfd:mmaplua") == 0)
        }
    }
}
