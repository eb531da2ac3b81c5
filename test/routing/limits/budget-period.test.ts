import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { periodAt } from '../../../src/routing/limits/budget-period.ts'
import { budgetPeriods } from '../../../src/routing/limits/limit.ts'
import { isTimeZone } from '../../../src/routing/limits/time-zone.ts'

const at = (text: string) => Date.parse(text)
const text = (instantMs: number | null) => (instantMs === null ? null : new Date(instantMs).toISOString())

function range(...args: Parameters<typeof periodAt>): (string | null)[] {
  const { startMs, endMs } = periodAt(...args)
  return [text(startMs), text(endMs)]
}

/** Zones with odd clocks: half hours, jumps at midnight, a skipped day, no daylight saving, thirteen hours ahead. */
const zones = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'America/St_Johns',
  'America/Sao_Paulo',
  'America/Havana',
  'Asia/Beirut',
  'Africa/Cairo',
  'Asia/Kathmandu',
  'Asia/Tokyo',
  'Australia/Lord_Howe',
  'Pacific/Apia',
  'Pacific/Kiritimati',
  'Antarctica/Troll',
]

test('a day is as long as the clocks of the place say', () => {
  expect(range('DAY', 'Europe/Berlin', at('2026-03-29T12:00:00Z'))).toEqual([
    '2026-03-28T23:00:00.000Z',
    '2026-03-29T22:00:00.000Z',
  ])
  expect(range('DAY', 'Europe/Berlin', at('2026-10-25T12:00:00Z'))).toEqual([
    '2026-10-24T22:00:00.000Z',
    '2026-10-25T23:00:00.000Z',
  ])
})

test('where clocks skip midnight the day begins at the end of the gap', () => {
  // 00:00 became 01:00.
  expect(range('DAY', 'America/Sao_Paulo', at('2018-11-04T12:00:00Z'))[0]).toBe('2018-11-04T03:00:00.000Z')
  expect(range('DAY', 'Asia/Beirut', at('2025-03-30T12:00:00Z'))[0]).toBe('2025-03-29T22:00:00.000Z')
})

test('where clocks pass midnight twice the day begins with the first one', () => {
  // 01:00 became 00:00.
  expect(range('DAY', 'America/Havana', at('2025-11-02T12:00:00Z'))).toEqual([
    '2025-11-02T04:00:00.000Z',
    '2025-11-03T05:00:00.000Z',
  ])
  // 00:01 became 23:01 of the day before: the day had begun.
  expect(range('DAY', 'America/St_Johns', at('2010-11-07T02:45:00Z'))[0]).toBe('2010-11-07T02:30:00.000Z')
})

test('a day that a place left out belongs to no period', () => {
  // Samoa went from 29 to 31 December.
  expect(range('DAY', 'Pacific/Apia', at('2011-12-30T09:59:59.999Z'))).toEqual([
    '2011-12-29T10:00:00.000Z',
    '2011-12-30T10:00:00.000Z',
  ])
  expect(range('DAY', 'Pacific/Apia', at('2011-12-30T10:00:00Z'))[0]).toBe('2011-12-30T10:00:00.000Z')
})

test('weeks begin on Monday; months, quarters and years with their first day', () => {
  const instantMs = at('2028-02-29T23:30:00Z')
  expect(range('WEEK', 'UTC', instantMs)).toEqual(['2028-02-28T00:00:00.000Z', '2028-03-06T00:00:00.000Z'])
  expect(range('MONTH', 'UTC', instantMs)).toEqual(['2028-02-01T00:00:00.000Z', '2028-03-01T00:00:00.000Z'])
  expect(range('MONTH', 'Europe/Berlin', instantMs)).toEqual(['2028-02-29T23:00:00.000Z', '2028-03-31T22:00:00.000Z'])
  expect(range('QUARTER', 'America/New_York', instantMs)).toEqual([
    '2028-01-01T05:00:00.000Z',
    '2028-04-01T04:00:00.000Z',
  ])
  expect(range('YEAR', 'Pacific/Kiritimati', at('2026-12-31T10:00:00Z'))).toEqual([
    '2026-12-31T10:00:00.000Z',
    '2027-12-31T10:00:00.000Z',
  ])
  expect(range('TOTAL', 'UTC', instantMs)).toEqual(['1970-01-01T00:00:00.000Z', null])
})

test('periods of any place hold their instant, and the next one begins where one ends', () => {
  const instant = fc.integer({ min: at('2000-01-01T00:00:00Z'), max: at('2037-12-31T00:00:00Z') })
  const period = fc.constantFrom(...budgetPeriods.filter((each) => each !== 'TOTAL'))
  fc.assert(
    fc.property(period, fc.constantFrom(...zones), instant, (kind, zone, instantMs) => {
      const { startMs, endMs } = periodAt(kind, zone, instantMs)
      expect(startMs).toBeLessThanOrEqual(instantMs)
      expect(endMs!).toBeGreaterThan(instantMs)
      expect(periodAt(kind, zone, endMs!).startMs).toBe(endMs)
      expect(periodAt(kind, zone, startMs)).toEqual({ startMs, endMs })
      expect(periodAt(kind, zone, startMs - 1).endMs).toBe(startMs)
    }),
    { numRuns: 2_000 },
  )
})

test('every day of these places: walking from period to period gives the same as asking at any instant', () => {
  for (const zone of zones) {
    let startMs = periodAt('DAY', zone, at('2009-12-15T00:00:00Z')).startMs
    while (startMs < at('2012-01-15T00:00:00Z')) {
      const { endMs } = periodAt('DAY', zone, startMs)
      for (const share of [0.01, 0.5, 0.99])
        expect(periodAt('DAY', zone, Math.floor(startMs + (endMs! - startMs) * share))).toEqual({ startMs, endMs })
      startMs = endMs!
    }
  }
})

test('names of time zones are those of the IANA database', () => {
  const names = [...zones, 'Etc/GMT+3', 'europe/berlin']
  expect(names.filter((name) => isTimeZone(name))).toEqual(names)
  const others = ['', 'Europe/Atlantis', '+02:00', 'Berlin', 'UTC+2', '../etc', 'é', 'a'.repeat(1_000)]
  expect(others.filter((name) => isTimeZone(name))).toEqual([])
})
