/**
 * `node test/console/pictures.ts [folder]`: the pictures of the documentation, made anew from a product with traffic of its own: still ones in
 * light, dark, narrow and as a screen on a wall, and a moving one of a switch and its way back.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { animatedPng, type Frame } from './animated-png.ts'
import { openScene } from './scene.ts'
import { openConsole } from './visitor.ts'

const folder = process.argv[2] ?? join(import.meta.dirname, '../../docs/images')

const pictures = [
  { name: 'console-wall', path: '', ready: '.wall-row .legend b', width: 1280, height: 900, colorScheme: 'light' },
  { name: 'console-dark', path: '', ready: '.wall-row .legend b', width: 1280, height: 900, colorScheme: 'dark' },
  { name: 'console-big', path: '', ready: '.wall-row .legend b', width: 1920, height: 1080, colorScheme: 'dark' },
  { name: 'console-route', path: '/routes/chat', ready: '.plot canvas', width: 1280, height: 900, colorScheme: 'dark' },
  {
    name: 'console-backends',
    path: '/backends',
    ready: '[data-provider]',
    width: 1280,
    height: 900,
    colorScheme: 'light',
  },
  { name: 'console-narrow', path: '', ready: '.wall-row .legend b', width: 360, height: 780, colorScheme: 'light' },
] as const

/** Long enough for the bars to settle after a switch: the live figures are of the last ten seconds. */
const frameMs = 700
const framesOfAct = 17

await mkdir(folder, { recursive: true })
await using scene = await openScene()
const isOver = new AbortController()
const traffic = makeTraffic(isOver.signal)
await using _ending = {
  async [Symbol.asyncDispose]() {
    isOver.abort()
    await traffic
  },
}
for (const { name, path, ready, width, height, colorScheme } of pictures) {
  const address = path.replace('chat', await scene.routeId('chat'))
  const options = { path: address, viewport: { width, height }, colorScheme }
  await using window = await openConsole(`${scene.product.apiUrl}/console`, scene.product.adminKey, options)
  await window.page.locator(ready).first().waitFor()
  // A window of the live figures, so that the picture shows them as they are and not as they begin.
  await sleep(10_000)
  await window.page.screenshot({ path: join(folder, `${name}.png`) })
}
await writeFile(join(folder, 'switch.png'), animatedPng(await filmOfSwitch()))

/** The row of one route: as it is, switched by somebody else, and taken back. */
async function filmOfSwitch(): Promise<readonly Frame[]> {
  const options = { viewport: { width: 980, height: 1_600 }, colorScheme: 'light' } as const
  await using window = await openConsole(`${scene.product.apiUrl}/console`, scene.product.adminKey, options)
  const row = window.page.locator('.wall-row[data-route="chat"]')
  await row.locator('.legend b').first().waitFor()
  await sleep(10_000)
  const frames: Frame[] = []
  const shoot = async (count: number) => {
    for (let index = 0; index < count; index++) {
      // What is wrong stands above it, and changes.
      const { x, y, width } = (await row.boundingBox())!
      const png = await window.page.screenshot({ clip: { x, y, width, height: 190 } })
      frames.push({ png, showMs: 350 })
      await sleep(frameMs)
    }
  }
  await shoot(3)
  await switchTo('weights: [{ target: { deployment: "qwen3-32b" }, weight: 1 }], reason: "the new model is ready"')
  await shoot(framesOfAct)
  await scene.product.graphql.change(
    `mutation { routeRollback(input: { route: { name: "chat" }, toRevision: 1, reason: "worse answers: taken back" }) { userErrors { code message path } } }`,
  )
  await shoot(framesOfAct)
  return frames
}

async function switchTo(weights: string): Promise<void> {
  await scene.product.graphql.change(
    `mutation { routeTrafficSet(input: { route: { name: "chat" }, ${weights} }) { userErrors { code message path } } }`,
  )
}

async function makeTraffic(over: AbortSignal): Promise<void> {
  while (!over.aborted) {
    await scene.ask('chat', 3)
    await scene.ask('assistant')
    await scene.ask('support')
    await sleep(100)
  }
}
