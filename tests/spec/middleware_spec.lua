-- The legality middleware alone, with a host made of nothing.
local clock = 0
local null = {}
local fake = {
  null = null,
  now = function() return clock end,
  invalid = function(reason) return { invalid = reason } end,
}

describe("middleware", function()
  local saved
  setup(function()
    saved = package.loaded["umpire"]
    package.loaded["umpire"] = fake
  end)
  teardown(function() package.loaded["umpire"] = saved end)

  describe("schema", function()
    local schema
    setup(function() schema = require "umpire.middleware.schema" end)

    local function fits(kind, ...)
      for _, value in ipairs { ... } do assert.is_nil(kind(value, "data")) end
    end
    local function wrong(kind, value, message) assert.equal(message, kind(value, "data")) end

    it("knows integers", function()
      local die = schema.integer(1, 6)
      fits(die, 1, 6, 3.0)
      wrong(die, 0, "data: expected an integer from 1 to 6, got 0")
      wrong(die, 7, "data: expected an integer from 1 to 6, got 7")
      wrong(die, 2.5, "data: expected an integer from 1 to 6, got 2.5")
      wrong(die, "3", 'data: expected an integer from 1 to 6, got "3"')
      wrong(die, nil, "data: expected an integer from 1 to 6, got nothing")
      wrong(die, null, "data: expected an integer from 1 to 6, got null")
      wrong(die, {}, "data: expected an integer from 1 to 6, got a table")
      fits(schema.integer(), math.mininteger, math.maxinteger)
      wrong(schema.integer(5), 4, "data: expected an integer of at least 5, got 4")
      wrong(schema.integer(nil, 5), 6, "data: expected an integer of at most 5, got 6")
      wrong(schema.integer(), 1e300, "data: expected an integer, got 1e+300")
    end)

    it("knows numbers, and no NaN", function()
      fits(schema.number(0, 1), 0, 0.5, 1)
      wrong(schema.number(0, 1), 1.5, "data: expected a number from 0 to 1, got 1.5")
      assert.truthy(schema.number()(0 / 0, "data"))
      assert.truthy(schema.number()(math.huge, "data"))
      assert.truthy(schema.number()(-math.huge, "data"))
    end)

    it("knows strings by their characters", function()
      local name = schema.string(1, 3)
      fits(name, "a", "abc", "äöü", "🎮🎮🎮")
      wrong(name, "", 'data: expected a string of 1 to 3 characters, got ""')
      wrong(name, "abcd", 'data: expected a string of 1 to 3 characters, got "abcd"')
      wrong(name, ("x"):rep(100), 'data: expected a string of 1 to 3 characters, got "' .. ("x"):rep(24) .. '…"')
      assert.truthy(name("\xff", "data"))
      assert.error_matches(function() schema.string(5) end, "two lengths")
      assert.error_matches(function() schema.string(5, 1) end, "the least %(5%) is over the most")
    end)

    it("shows only a little of a stranger's string, and cuts no character in two", function()
      local reason = schema.string(1, 3)(("é"):rep(50), "data")
      assert.is_true(#reason < 120)
      assert.truthy(utf8.len(reason))
    end)

    it("knows truth, choices, anything and nothing", function()
      fits(schema.boolean, true, false)
      wrong(schema.boolean, 1, "data: expected true or false, got 1")
      local direction = schema.one_of { "left", "right", 3 }
      fits(direction, "left", 3)
      wrong(direction, "up", 'data: expected one of "left", "right", 3, got "up"')
      assert.truthy(direction(nil, "data"))
      assert.truthy(direction(0 / 0, "data"))
      fits(schema.anything, 1, {}, "x")
      assert.is_nil(schema.nothing(nil, "data"))
      wrong(schema.nothing, 1, "data: expected nothing, got 1")
      assert.error_matches(function() schema.one_of {} end, "at least one")
    end)

    it("knows lists and tuples", function()
      local bag = schema.list(schema.integer(1, 9), 1, 3)
      fits(bag, { 1 }, { 1, 2, 3 })
      wrong(bag, {}, "data: expected a list of 1 to 3 values, got a table")
      wrong(bag, { 1, 2, 3, 4 }, "data: expected a list of 1 to 3 values, got a table")
      wrong(bag, { 1, 20 }, "data[2]: expected an integer from 1 to 9, got 20")
      wrong(bag, { 1, x = 2 }, "data: expected a list of 1 to 3 values, got a table")
      wrong(bag, "12", 'data: expected a list of 1 to 3 values, got "12"')
      local step = schema.tuple { schema.integer(-1, 1), schema.boolean }
      fits(step, { 1, true })
      wrong(step, { 1 }, "data: expected a list of 2 values, got a table")
      wrong(step, { 1, 1 }, "data[2]: expected true or false, got 1")
      wrong(step, { 1, true, 1 }, "data: expected a list of 2 values, got a table")
    end)

    it("knows tables by their fields, and refuses others", function()
      local order = schema.fields { item = schema.string(1, 9), count = schema.optional(schema.integer(1, 9)) }
      fits(order, { item = "bow" }, { item = "bow", count = 2 }, { item = "bow", count = null })
      wrong(order, { count = 2 }, "data.item: expected a string of 1 to 9 characters, got nothing")
      wrong(order, { item = "bow", count = 10 }, "data.count: expected an integer from 1 to 9, got 10")
      wrong(order, { item = "bow", price = 0, age = 1 },
        'data: unknown field "age"; expected a table with the fields count, item')
      wrong(order, { item = "bow", [1] = 0 }, "data: unknown field 1; expected a table with the fields count, item")
      wrong(order, 5, "data: expected a table with the fields count, item, got 5")
      local nested = schema.fields { at = schema.tuple { schema.integer(0, 9), schema.integer(0, 9) } }
      wrong(nested, { at = { 1, 10 } }, "data.at[2]: expected an integer from 0 to 9, got 10")
    end)

    it("judges events by name, and calls what does not fit malformed", function()
      local judge = schema.events { wave = schema.nothing, roll = schema.integer(1, 6) }
      assert.is_true(judge({}, { name = "wave" }))
      assert.is_true(judge({}, { name = "roll", data = 3 }))
      assert.same({ invalid = "data: expected an integer from 1 to 6, got 9" }, judge({}, { name = "roll", data = 9 }))
      assert.same({ invalid = 'unknown event "fly"; known: roll, wave' }, judge({}, { name = "fly" }))
      assert.same({ invalid = "unknown event nothing; known: roll, wave" }, judge({}, { data = 5 }))
      assert.error_matches(function() schema.events { x = 5 } end, "'x' needs a type")
    end)

    it("takes types of your own", function()
      local even = function(value, where) if value % 2 ~= 0 then return where .. ": odd" end end
      wrong(schema.list(even, 0, 9), { 2, 3 }, "data[2]: odd")
    end)
  end)

  describe("throttle", function()
    local throttle
    setup(function() throttle = require "umpire.middleware.throttle" end)
    before_each(function() clock = 100 end)

    local function passed(judge, client, n, name)
      local legal = 0
      for _ = 1, n do if judge(client, { name = name or "x" }) == true then legal = legal + 1 end end
      return legal
    end

    it("lets a burst through, then the rate", function()
      local judge, ann = throttle { rate = 2, burst = 5 }, {}
      assert.equal(5, passed(judge, ann, 20))
      clock = clock + 1
      assert.equal(2, passed(judge, ann, 20))
      clock = clock + 0.5
      assert.equal(1, passed(judge, ann, 20))
      clock = clock + 1000
      assert.equal(5, passed(judge, ann, 20))
    end)

    it("says why", function()
      local judge, ann = throttle { rate = 1, burst = 1 }, {}
      judge(ann, {})
      assert.same({ false, "too fast: at most 1 events a second" }, { judge(ann, {}) })
      local polite = throttle { rate = 1, reason = "slowly, please" }
      polite(ann, {})
      assert.same({ false, "slowly, please" }, { polite(ann, {}) })
    end)

    it("counts each client alone, and forgets who is gone", function()
      local judge, ann, bob = throttle { rate = 1, burst = 3 }, {}, {}
      assert.equal(3, passed(judge, ann, 9))
      assert.equal(3, passed(judge, bob, 9))
      local weak = setmetatable({ bob }, { __mode = "v" })
      bob = nil
      collectgarbage()
      collectgarbage()
      assert.is_nil(weak[1])
      assert.is_nil(bob)
    end)

    it("looks at some events only", function()
      local ann = {}
      local only = throttle { rate = 1, burst = 1, only = { "say" } }
      assert.equal(9, passed(only, ann, 9, "move"))
      assert.equal(1, passed(only, ann, 9, "say"))
      local except = throttle { rate = 1, burst = 1, except = { "move" } }
      assert.equal(9, passed(except, ann, 9, "move"))
      assert.equal(1, passed(except, ann, 9, "say"))
    end)

    it("refuses options that make no sense", function()
      assert.error_matches(function() throttle { rate = 0 } end, "rate must be")
      assert.error_matches(function() throttle { rate = 0 / 0 } end, "rate must be")
      assert.error_matches(function() throttle { rate = 1, burst = 0.5 } end, "burst must be")
      assert.error_matches(function() throttle { rate = 1, onyl = {} } end, "unknown option 'onyl'")
      assert.error_matches(function() throttle { rate = 1, only = "say" } end, "only must be a list")
    end)
  end)

  describe("logged_in", function()
    it("asks for a name", function()
      local logged_in = require "umpire.middleware.logged_in"
      local judge = logged_in { except = { "look" } }
      assert.is_true(judge({ name = "ann" }, { name = "say" }))
      assert.same({ false, "log in first" }, { judge({}, { name = "say" }) })
      assert.same({ false, "log in first" }, { judge({}, {}) })
      assert.is_true(judge({}, { name = "look" }))
      assert.same({ false, "who are you?" }, { logged_in { reason = "who are you?" }({}, {}) })
      assert.error_matches(function() logged_in { excpet = {} } end, "unknown option")
    end)
  end)

  describe("compose", function()
    local compose
    setup(function() compose = require "umpire.middleware.compose" end)
    local function yes() return true end
    local function no() return false, "no" end

    it("asks all until one says no", function()
      assert.is_true(compose.all { yes, yes }({}, {}))
      assert.same({ false, "no" }, { compose.all { yes, no, error }({}, {}) })
      assert.same({ invalid = "x" }, compose.all { function() return fake.invalid "x" end }({}, {}))
      assert.is_nil((compose.all { function() end }({}, {}))) -- a judge that says nothing has not said yes
    end)

    it("asks by name", function()
      local judge = compose.by_name({ a = no }, nil)
      assert.is_false((judge({}, { name = "a" })))
      assert.is_true(judge({}, { name = "b" }))
      assert.is_false((compose.by_name({ a = yes }, no)({}, {})))
      local only = compose.only({ "a" }, no)
      assert.is_false((only({}, { name = "a" })))
      assert.is_true(only({}, { name = "b" }))
      assert.is_true(only({}, {}))
    end)
  end)
end)
