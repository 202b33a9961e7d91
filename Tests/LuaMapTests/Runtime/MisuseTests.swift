import Testing

/// Every function with every wrong value for every argument, from the rows of methods.lua.
@Suite struct MisuseTests {
    @Test func everyFunctionHasARow() { check(suite: "misuse") }
    @Test func everyMethodRefusesForeignObjects() { check(suite: "misuse") }
    @Test func everyWrongTypeIsNamedWithItsArgument() { check(suite: "misuse") }
    @Test func everyErrorUnderPcallNamesTheFunction() { check(suite: "misuse") }
    @Test func extraArgumentsAreRefused() { check(suite: "misuse") }
    @Test func everyZeroByteCounts() { check(suite: "misuse") }
    @Test func missingArgumentsAreNamed() { check(suite: "misuse") }
    @Test func everyNumberIsInRangeOrRefused() { check(suite: "misuse") }
    @Test func everyRangeFollowsTheRule() { check(suite: "misuse") }
    @Test func optionsAreReadStrictly() { check(suite: "misuse") }
    @Test func indexesAreCheckedOnBothSides() { check(suite: "misuse") }
}
