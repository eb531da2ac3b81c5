/** `node test/console/pictures.ts`: the pictures of the documentation, made anew from a product with traffic of its own. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openScene } from './scene.ts'
import { openConsole } from './visitor.ts'

const folder = join(import.meta.dirname, '../../docs/images')

const pictures = [
  { name: 'console-wall', path: '', ready: '.wall-row .legend b', width: 1280, height: 900, colorScheme: 'light' },
  { name: 'console-route', path: '/routes/chat', ready: '.plot canvas', width: 1280, height: 900, colorScheme: 'dark' },
  { name: 'console-narrow', path: '', ready: '.wall-row .legend b', width: 360, height: 780, colorScheme: 'light' },
] as const

await mkdir(folder, { recursive: true })
await using scene = await openScene()
const isOver = new AbortController()
const traffic = makeTraffic(isOver.signal)
for (const { name, path, ready, width, height, colorScheme } of pictures) {
  const address = path.replace('chat', await scene.routeId('chat'))
  const options = { path: address, viewport: { width, height }, colorScheme }
  await using window = await openConsole(`${scene.product.apiUrl}/console`, scene.product.adminKey, options)
  await window.page.locator(ready).first().waitFor()
  // A window of the live figures, so that the picture shows them as they are and not as they begin.
  await sleep(10_000)
  await window.page.screenshot({ path: join(folder, `${name}.png`) })
}
isOver.abort()
await traffic

async function makeTraffic(over: AbortSignal): Promise<void> {
  while (!over.aborted) {
    await scene.ask('chat', 3)
    await scene.ask('assistant')
    await scene.ask('support')
    await sleep(100)
  }
}
