// The ECharts modules that the tiles use. The rest of ECharts stays out of the bundle. Chart.svelte imports
// this module dynamically, so that it becomes a chunk of its own.
import { BarChart, LineChart, PieChart } from "echarts/charts";
import { GridComponent, TooltipComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";

use([LineChart, BarChart, PieChart, GridComponent, TooltipComponent, SVGRenderer]);

/** Creates an SVG chart in `element`. `width` and `height` are in CSS pixels. */
export function createChart(element: HTMLElement, width: number, height: number) {
  return init(element, null, { renderer: "svg", width, height });
}

export type EngineChart = ReturnType<typeof createChart>;
