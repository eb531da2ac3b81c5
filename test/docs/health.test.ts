import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import type { BackendWarningCode } from '../../src/control/deployment/warnings.ts'
import {
  circuitStates,
  divergenceReasons,
  fallbackTriggers,
  requestOutcomes,
  servingStates,
  targetAvailabilities,
} from '../../src/routing/config/vocabulary.ts'

let text: string
beforeAll(async () => void (text = await readFile(join(import.meta.dirname, '../../docs/health.md'), 'utf8')))

/** The words in the first column of the table behind a heading. */
function rowsBehind(heading: string): string[] {
  const section = text.slice(text.indexOf(heading))
  const table = section.slice(section.indexOf('|---'), section.indexOf('\n\n', section.indexOf('|---')))
  return [...table.matchAll(/^\| `([A-Z_]+)`/gm)].map(([, word]) => word!)
}

test.each([
  ['**Availability**', targetAvailabilities],
  ['**Divergence** has', divergenceReasons],
  ['**Outcome**', requestOutcomes],
])('the table of %s has each word of the code, once, and no other', (heading, words) => {
  expect(rowsBehind(heading).toSorted()).toEqual([...words].toSorted())
})

test('availabilities stand in the order in which the first that holds is told', () => {
  expect(rowsBehind('**Availability**')).toEqual(targetAvailabilities)
})

test('each trigger and each state of a circuit is named', () => {
  for (const word of [...fallbackTriggers, ...circuitStates]) expect(text).toContain(`\`${word}\``)
})

test('every word in capitals is one of the code', () => {
  const warnings: readonly BackendWarningCode[] = ['MODEL_NOT_LISTED', 'UNSAFE_URL']
  const known = new Set<string>([
    ...targetAvailabilities,
    ...divergenceReasons,
    ...requestOutcomes,
    ...fallbackTriggers,
    ...circuitStates,
    ...servingStates,
    ...warnings,
    'SIGNALBOX_UPSTREAM_ALLOW',
  ])
  const named = [...text.matchAll(/`([A-Z][A-Z_]+)`/g)].map(([, word]) => word!)
  expect(named.filter((word) => !known.has(word))).toEqual([])
})
