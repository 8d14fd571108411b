// Only what the tiles draw with; the rest of ECharts stays out of the bundle.
import { BarChart, LineChart, PieChart } from "echarts/charts";
import { GridComponent, TooltipComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";

use([LineChart, BarChart, PieChart, GridComponent, TooltipComponent, SVGRenderer]);

export function createChart(element: HTMLElement, width: number, height: number) {
  return init(element, null, { renderer: "svg", width, height });
}

export type EngineChart = ReturnType<typeof createChart>;
