/** The same promises, kept over undici. */
import { runSuiteOver } from '../suite-transport.ts'

runSuiteOver('undici')
await import('../moving-on.test.ts')
