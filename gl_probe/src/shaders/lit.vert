#version 300 es
// A solid's vertices, in the world for the light and on the screen.
layout(location = 0) in vec3 position;
layout(location = 1) in vec3 direction;
layout(location = 2) in vec2 place;
layout(location = 3) in vec3 hue;
uniform mat4 model;
uniform mat4 clip;
out vec3 world;
out vec3 normal;
out vec2 uv;
out vec3 colour;

void main() {
    vec4 placed = model * vec4(position, 1.0);
    world = placed.xyz;
    normal = mat3(model) * direction;
    uv = place;
    colour = hue;
    gl_Position = clip * placed;
}
