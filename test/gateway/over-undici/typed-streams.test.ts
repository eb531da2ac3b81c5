/** The same promises, kept over undici. */
import { runSuiteOver } from '../suite-transport.ts'

runSuiteOver('undici')
await import('../typed-streams.test.ts')
