/** What a request waits longer because something stands between, at half load: by the clock, not as fast as it goes. */
import { compare } from '../compare.ts'
import { runOpenLoop } from '../load/open-loop.ts'
import { warmUp, warmUpMs } from '../load/warm-up.ts'
import type { Row } from '../row.ts'
import { quantile } from '../statistics.ts'
import { chatBody } from './requests.ts'
import type { Bench, Section } from './section.ts'

const perSecond = 500

export const latencySection: Section = {
  name: 'latency',
  about: `added latency at ${perSecond} requests per second`,
  run: async (bench: Bench): Promise<Row[]> => {
    const body = chatBody('small', 900)
    const durationMs = bench.isQuick ? 1_500 : 4_000
    const contenders = await bench.contenders()
    for (const { address } of contenders) await warmUp(address('small'), body, 16, warmUpMs(bench))
    const comparison = await compare(contenders, bench.isQuick ? 2 : 4, async (contender) => {
      const run = await runOpenLoop({ address: contender.address('small'), body, perSecond, durationMs })
      const settled = run.latenciesMs.slice(perSecond / 2)
      return { figures: { p50: quantile(settled, 0.5), p99: quantile(settled, 0.99) }, failures: run.failures }
    })
    const added = (figure: 'p50' | 'p99') => {
      const [ours, theirs] = [comparison.value('signalbox', figure), comparison.value('direct', figure)]
      return ours === undefined || theirs === undefined ? undefined : ours - theirs
    }
    const row = (figure: 'p50' | 'p99'): Row => ({
      what: `${perSecond} requests/s: ${figure}`,
      unit: 'ms',
      values: comparison.values(figure),
      result: added(figure),
      resultUnit: 'ms added',
      ...(comparison.failureNote !== undefined && { note: comparison.failureNote }),
    })
    return [{ ...row('p50'), goal: { atMost: 0.35 } }, row('p99')]
  },
}
