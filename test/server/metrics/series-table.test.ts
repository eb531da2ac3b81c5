import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { otherLabel, type SeriesKey, SeriesTable } from '../../../src/server/metrics/series-table.ts'

interface Counter extends SeriesKey {
  count: number
}

function openTable(maxSeries: number): SeriesTable<Counter> {
  return new SeriesTable(maxSeries, (key) => ({ ...key, count: 0 }))
}

const names = fc.stringMatching(/^[a-z]{0,2}$/)
const errors = ['', 'timeout', 'server_error']

test('whatever comes, nothing is counted twice or not at all, and the number of series is bounded', () => {
  const keys = fc.array(fc.tuple(names, names, fc.constantFrom(...errors)))
  fc.assert(
    fc.property(keys, fc.integer({ min: 1, max: 5 }), (all, max) => {
      const table = openTable(max)
      for (const [first, second, closed] of all) table.of(first, second, closed, null).count++
      const series = [...table.all()]
      expect(series.reduce((sum, { count }) => sum + count, 0)).toBe(all.length)
      expect(series.length).toBe(table.size)
      expect(table.size).toBeLessThanOrEqual(max + errors.length)
      expect(new Set(series.map((it) => JSON.stringify([it.first, it.second, it.closed]))).size).toBe(series.length)
    }),
  )
})

test('what comes when the table is full is counted as other, and what was there before goes on', () => {
  const table = openTable(1)
  table.of('chat', 'llama', '', null).count++
  table.of('chat', 'qwen', '', null).count++
  table.of('embed', 'bge', '', null).count++
  table.of('chat', 'llama', '', null).count++
  expect([...table.all()]).toEqual([
    { first: 'chat', second: 'llama', closed: '', count: 2 },
    { first: otherLabel, second: otherLabel, closed: '', count: 2 },
  ])
})

test('names that differ only behind their first 256 characters are one series', () => {
  const table = openTable(10)
  table.of(`${'a'.repeat(256)}b`, '', '', null).count++
  table.of(`${'a'.repeat(256)}c`, '', '', null).count++
  expect([...table.all()]).toEqual([{ first: 'a'.repeat(256), second: '', closed: '', count: 2 }])
})

test('a series goes when its name is unknown for the second time in a row, and makes room', () => {
  const table = openTable(1)
  table.of('old', '', '', null).count++
  table.sweep(() => false)
  table.sweep(() => true)
  table.sweep(() => false)
  expect(table.size).toBe(1)
  table.sweep(() => false)
  expect(table.size).toBe(0)
  expect(table.of('new', '', '', null).first).toBe('new')
})
