import { expect, test } from 'vitest'
import { openSnapshotJudge } from '../../../src/server/following/snapshot-judge.ts'

test('without a limit a gateway that hears nothing serves on', () => {
  using judge = openSnapshotJudge({ maxStalenessMs: null, look: () => Promise.resolve() })
  expect(judge.judge()).toBeNull()
})

test('with a limit a gateway that has never heard from its database refuses until it has', () => {
  using judge = openSnapshotJudge({ maxStalenessMs: 60_000, look: () => Promise.resolve() })
  expect(judge.judge()).toBe('STALE')
  judge.heard()
  expect(judge.judge()).toBeNull()
})
