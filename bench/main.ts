/** `npm run bench [section…] [--quick]`: the product beside nginx, Portkey's gateway and nothing at all, in one run. */
import { moveToLoadCore, canPin } from './cpu.ts'
import { type Absence, type Contender, type ContenderStart } from './contenders/contender.ts'
import { direct } from './contenders/direct.ts'
import { nginx } from './contenders/nginx.ts'
import { portkey } from './contenders/portkey.ts'
import { signalbox, signalboxUndici } from './contenders/signalbox.ts'
import { compileSection } from './sections/compile.ts'
import { databaseSection } from './sections/database.ts'
import { drainSection } from './sections/drain.ts'
import { goneSection } from './sections/gone.ts'
import { graphqlSection } from './sections/graphql.ts'
import { latencySection } from './sections/latency.ts'
import { limitsSection } from './sections/limits.ts'
import { memorySection } from './sections/memory.ts'
import { mutationsSection } from './sections/mutations.ts'
import { requestSections } from './sections/requests.ts'
import { scaleSection } from './sections/scale.ts'
import type { Bench, Section } from './sections/section.ts'
import { splitSection } from './sections/split.ts'
import { spreadSection } from './sections/spread.ts'
import { streamSections } from './sections/streams.ts'
import { switchSection } from './sections/switching.ts'
import { usageSection } from './sections/usage.ts'
import type { Row } from './row.ts'
import { renderRow, renderTable, type SectionRows } from './table.ts'
import { type BenchUpstreams, openUpstreams } from './upstream/open-upstreams.ts'

const sections: readonly Section[] = [
  ...requestSections,
  ...streamSections,
  latencySection,
  memorySection,
  switchSection,
  splitSection,
  spreadSection,
  scaleSection,
  limitsSection,
  goneSection,
  graphqlSection,
  mutationsSection,
  compileSection,
  usageSection,
  databaseSection,
  drainSection,
]
const starts: readonly ContenderStart[] = [direct, nginx, portkey, signalbox, signalboxUndici]

const words = process.argv.slice(2)
const isQuick = words.includes('--quick')
const without = words.filter((word) => word.startsWith('--without=')).map((word) => word.slice('--without='.length))
const wanted = words.filter((word) => !word.startsWith('--'))
const unknown = wanted.filter((word) => !sections.some(({ name }) => name === word))

if (words.includes('--help') || unknown.length > 0) {
  if (unknown.length > 0) console.error(`No such section: ${unknown.join(', ')}\n`)
  console.log('npm run bench [section…] [-- --quick] [-- --without=<contender>]\n')
  for (const { name, about } of sections) console.log(`  ${name.padEnd(10)} ${about}`)
  process.exitCode = unknown.length > 0 ? 2 : 0
} else {
  await runBench(wanted.length > 0 ? sections.filter(({ name }) => wanted.includes(name)) : sections)
}

async function runBench(chosen: readonly Section[]): Promise<void> {
  moveToLoadCore([process.pid])
  console.log(
    canPin
      ? 'Gateways on core 0; load, model servers and the database on core 1.'
      : 'Not pinned: no taskset, or one core.',
  )
  const upstreams = await openUpstreams()
  const field = openField(upstreams)
  const bench: Bench = { isQuick, upstreams, ...field }
  const results: SectionRows[] = []
  try {
    for (const section of chosen) {
      console.log(`\n${section.name}: ${section.about}`)
      const rows = await runSection(section, bench)
      for (const row of rows) console.log(renderRow(row))
      results.push({ section: section.name, rows })
    }
  } finally {
    await field.close()
    await upstreams.close()
    console.log(`\n${renderTable(results)}`)
  }
}

// One section that cannot run must not cost the others their place in the table.
async function runSection(section: Section, bench: Bench): Promise<readonly Row[]> {
  try {
    return await section.run(bench)
  } catch (error) {
    console.error(error)
    process.exitCode = 1
    return [{ what: `${section.about}: DID NOT RUN`, unit: '', values: {} }]
  }
}

function openField(upstreams: BenchUpstreams) {
  const absences = new Map<string, Absence>()
  let running: Promise<Contender[]> | undefined

  const start = async ({ name, open }: ContenderStart): Promise<Contender[]> => {
    if (absences.has(name) || without.includes(name)) return []
    try {
      return [await open(upstreams.ports)]
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      absences.set(name, { name, reason })
      console.log(`  ${name}: ${reason}`)
      return []
    }
  }
  const startAll = async () => {
    const contenders: Contender[] = []
    for (const one of starts) contenders.push(...(await start(one)))
    return contenders
  }
  const close = async () => {
    const contenders = await (running ?? [])
    running = undefined
    for (const contender of contenders) await contender.close()
  }

  return {
    contenders: () => (running ??= startAll()),
    eachFresh: async (use: (contender: Contender) => Promise<void>) => {
      await close()
      for (const one of starts)
        for (const contender of await start(one)) {
          try {
            await use(contender)
          } finally {
            await contender.close()
          }
        }
    },
    close,
  }
}
