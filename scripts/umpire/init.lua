-- Inside a rulebook the host itself answers require "umpire". Whoever gets here is outside of one.
error('require "umpire" works inside a rulebook only; a spec runs rulebooks with require "umpire.sim"', 0)
