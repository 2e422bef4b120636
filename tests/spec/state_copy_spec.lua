-- umpire.client.state keeps a copy of the state from "state" notifies, in whatever order they come.
local state = require "umpire.client.state"

describe("a copy of the state", function()
  it("begins with the whole state, and then applies patches in their order", function()
    local copy = state.new()
    assert.is_false(copy:take { time = 7, since = 5, patch = { late = 1 }, removed = {} }) -- before anything
    assert.is_nil(copy.time)
    assert.is_true(copy:take { time = 5, full = true, state = { a = { b = 1, c = { 1, 2 } }, d = 2 } })
    assert.equal(7, copy.time)
    assert.same({ a = { b = 1, c = { 1, 2 } }, d = 2, late = 1 }, copy.state)
    assert.is_false(copy:take { time = 9, since = 8, patch = { a = { e = 3 } }, removed = { { "late" }, { "no", "such" } } })
    assert.is_true(copy:take { time = 8, since = 7, patch = { a = { c = { 3 } }, d = { x = 1 } }, removed = { { "a", "b" } } })
    assert.equal(9, copy.time)
    assert.same({ a = { c = { 3 }, e = 3 }, d = { x = 1 } }, copy.state)
  end)

  it("takes nothing twice, and nothing that is older", function()
    local copy = state.new()
    copy:take { time = 5, full = true, state = { a = 1 } }
    copy:take { time = 6, since = 5, patch = { a = 2 }, removed = {} }
    assert.is_false(copy:take { time = 6, since = 5, patch = { a = 3 }, removed = {} })
    assert.is_false(copy:take { time = 4, full = true, state = {} })
    assert.same({ a = 2 }, copy.state)
    assert.equal(0, #copy.waiting)
    assert.is_true(copy:take { time = 20, full = true, state = { z = 1 } })
    assert.same({ z = 1 }, copy.state)
  end)

  it("removes first: a map that gave way to another has none of its keys", function()
    local copy = state.new()
    copy:take { time = 1, full = true, state = { door = { old = 1, colour = "red" } } }
    copy:take { time = 2, since = 1, patch = { door = { new = 2 } }, removed = { { "door" } } }
    assert.same({ door = { new = 2 } }, copy.state)
  end)
end)
