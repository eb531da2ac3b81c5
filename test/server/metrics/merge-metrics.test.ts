import { expect, test } from 'vitest'
import { mergeMetrics } from '../../../src/server/metrics/merge-metrics.ts'
import { readScrape } from '../../support/prometheus.ts'

const worker = (value: string) => ({ name: 'worker', value })

test('pages of several processes become one, in which each series comes once', () => {
  const text = [
    '# HELP asked_total Questions.',
    '# TYPE asked_total counter',
    'asked_total{route="a{b} c"} 3',
    'asked_total 1',
    '',
    '# HELP took_seconds Times.',
    '# TYPE took_seconds histogram',
    'took_seconds_bucket{le="+Inf"} 4',
    'took_seconds_sum 2.5',
    'took_seconds_count 4',
    '',
  ].join('\n')
  const merged = mergeMetrics([
    { label: null, text: '# HELP up Whether.\n# TYPE up gauge\nup 1\n' },
    { label: worker('1'), text },
    { label: worker('2'), text: text.replace('Questions.', 'Other words.') },
  ])
  const { sum, samples } = readScrape(merged)
  expect(sum('asked_total')).toBe(8)
  expect(sum('asked_total', { worker: '2', route: 'a{b} c' })).toBe(3)
  expect(sum('took_seconds_count', { worker: '1' })).toBe(4)
  expect(samples.filter(({ name }) => name === 'up')).toEqual([{ name: 'up', labels: {}, value: 1 }])
  // The format wants the lines of a family together, and one HELP for it.
  expect(merged.match(/^# HELP asked_total .*/gm)).toEqual(['# HELP asked_total Questions.'])
  expect(merged.indexOf('worker="2",route')).toBeLessThan(merged.indexOf('took_seconds'))
})

test('without pages there is nothing', () => {
  expect(mergeMetrics([])).toBe('')
  expect(mergeMetrics([{ label: worker('1'), text: '' }])).toBe('')
})
