import { useEffect, useRef, useSyncExternalStore } from 'react'
import UPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { count } from './figures.ts'

export interface Series {
  readonly label: string
  readonly values: readonly (number | null)[]
}

interface Props {
  readonly title: string
  /** Seconds since 1970. */
  readonly times: readonly number[]
  readonly series: readonly Series[]
  readonly format?: (value: number) => string
}

const heightPx = 190

/** Lines over time; the colours are those of the bars, in the same order. */
export function Plot({ title, times, series, format = count }: Props) {
  const holder = useRef<HTMLDivElement>(null)
  const plot = useRef<UPlot>(undefined)
  const isDark = useSyncExternalStore(listenToScheme, isSchemeDark)
  const names = series.map(({ label }) => label).join('\n')

  useEffect(() => {
    const element = holder.current!
    plot.current = new UPlot(
      optionsOf(element, names.split('\n'), format),
      [[], ...names.split('\n').map(() => [])],
      element,
    )
    const observer = new ResizeObserver(() => plot.current?.setSize({ width: widthOf(element), height: heightPx }))
    observer.observe(element)
    return () => {
      observer.disconnect()
      plot.current?.destroy()
    }
  }, [names, format, isDark])

  useEffect(() => {
    plot.current?.setData([[...times], ...series.map(({ values }) => [...values])])
  }, [times, series, isDark])

  return (
    <figure className="plot">
      <figcaption>{title}</figcaption>
      <div ref={holder} role="img" aria-label={`${title}: ${inWords(series, format)}`} />
      <ul className="legend">
        {series.map(({ label }, index) => (
          <li key={label} className={`c${index % 8}`}>
            <i className="swatch" aria-hidden="true" />
            {label}
          </li>
        ))}
      </ul>
    </figure>
  )
}

/** The latest values, for who does not see the lines. */
function inWords(series: readonly Series[], format: (value: number) => string): string {
  return series
    .map(({ label, values }) => {
      const last = values.findLast((value) => value !== null)
      return `${label} ${last === undefined || last === null ? 'nothing' : format(last)}`
    })
    .join(', ')
}

function optionsOf(element: HTMLElement, labels: readonly string[], format: (value: number) => string): UPlot.Options {
  const text = colorOf(element, 'plot-text')
  const grid = { stroke: colorOf(element, 'plot-grid'), width: 1 }
  const axis = { stroke: text, grid, ticks: { show: false }, font: '12px system-ui, sans-serif' }
  return {
    width: widthOf(element),
    height: heightPx,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false } },
    scales: { y: { range: (_plot, _least, most) => [0, most > 0 ? most * 1.1 : 1] } },
    axes: [
      { ...axis, values: '{HH}:{mm}', space: 60, size: 30 },
      {
        ...axis,
        size: 62,
        values: (_plot, ticks) => ticks.map(format),
        ...(format === count && { incrs: wholeSteps }),
      },
    ],
    series: [
      {},
      ...labels.map((label, index) => {
        const stroke = colorOf(element, `c${index % 8}`)
        return {
          label,
          stroke,
          width: 2,
          spanGaps: true,
          points: { show: false },
        }
      }),
    ],
  }
}

/** Counts have no fractions. */
const wholeSteps = Array.from({ length: 12 }, (_, power) => [1, 2, 5].map((step) => step * 10 ** power)).flat()

/** What a class of the style sheet makes of `--c`: canvases know no variables. */
function colorOf(element: HTMLElement, className: string): string {
  const probe = document.createElement('i')
  probe.className = `swatch ${className}`
  element.append(probe)
  const color = getComputedStyle(probe).backgroundColor
  probe.remove()
  return color
}

function widthOf(element: HTMLElement): number {
  return Math.max(element.clientWidth, 200)
}

const darkScheme = matchMedia('(prefers-color-scheme: dark)')

function isSchemeDark(): boolean {
  return darkScheme.matches
}

function listenToScheme(onChange: () => void): () => void {
  darkScheme.addEventListener('change', onChange)
  return () => darkScheme.removeEventListener('change', onChange)
}
