"""Real-world things that the drawn world never shows: a model asked for them must copy the phrase and stay silent.

Nothing here could be mistaken for a shape of the world (so no ball, coin or wheel).
"""

from __future__ import annotations

_GROUPS = {
    "people and animals": """
        person, people, man, woman, child, baby, cyclist, pedestrian, runner, nurse, driver, dog, cat, horse,
        cow, sheep, goat, pig, chicken, duck, goose, bird, pigeon, owl, eagle, fish, shark, whale, dolphin,
        frog, snake, lizard, turtle, spider, butterfly, bee, ant, fly, mosquito, mouse, rat, rabbit, squirrel,
        fox, wolf, bear, lion, tiger, elephant, giraffe, zebra, monkey, camel, deer, kangaroo, penguin,
        jellyfish, crab, snail
    """,
    "street": """
        car, truck, bus, van, taxi, ambulance, fire engine, bicycle, motorcycle, scooter, tram, train, tractor,
        aeroplane, helicopter, boat, ship, traffic light, traffic sign, stop sign, street lamp, road, road
        marking, pavement, sidewalk, crossing, bridge, fence, wall, building, house, tower, church, garage,
        bench, parking meter, fire hydrant, bin, lamp post, power line, tree, bush, grass, flower, leaf,
        mushroom, sky, cloud, river, mountain, beach, licence plate, tyre track
    """,
    "home": """
        chair, table, sofa, bed, desk, lamp, mirror, curtain, carpet, door, window, cupboard, bookshelf, fridge,
        oven, sink, toilet, bathtub, towel, pillow, blanket, candle, vase, clock hand, television, laptop,
        keyboard, computer mouse, phone, remote control, camera, headphones, printer, book, newspaper, envelope,
        pencil, pen, scissors, hammer, screwdriver, saw, ladder, bucket, broom, knife, fork, spoon, cup, mug,
        bottle, wine glass, kettle, teapot, pan, bowl of soup, umbrella, backpack, handbag, suitcase, wallet,
        key, toothbrush, comb, hat, shoe, sock, glove, scarf, shirt, jacket, trousers, dress, tie, glasses, belt
    """,
    "food": """
        apple, banana, pear, grapes, strawberry, pineapple, lemon, carrot, potato, onion, broccoli, bread,
        cheese, egg yolk, sandwich, pizza, hot dog, cake, ice cream, chocolate, noodles, rice, salad, sausage,
        sushi
    """,
    "sport and play": """
        tennis racket, baseball bat, skateboard, surfboard, skis, snowboard, kite string, goal post, bow,
        fishing rod, guitar, violin, piano, drum stick, trumpet, teddy bear, doll, toy train, chess pawn,
        playing card
    """,
    "medical and scientific": """
        red blood cell, white blood cell, platelet, bacterium, virus, nucleus, cell wall, neuron, tumour, polyp,
        lung nodule, fracture, rib, spine, tooth, kidney, liver, mitral valve, blood vessel, retina, skin lesion,
        surgical clip, stethoscope, syringe, pill bottle, thermometer, microscope, test tube, pipette, x-ray
        tube
    """,
    "technical": """
        resistor, capacitor, transistor, microchip, circuit board, solder joint, short, open circuit, mouse
        bite, spur, pin hole, copper track, wire, cable, plug, socket, switch, fuse, battery, antenna, motor,
        gearbox, gear, bolt, screw, nail, spring, pipe, valve, pump, crane, forklift, excavator, conveyor belt,
        robot arm, drone, satellite dish, solar panel, wind turbine, scratch, crack, dent, rust stain, weld
        seam, barcode, label text
    """,
}

NOUNS: tuple[str, ...] = tuple(
    word for text in _GROUPS.values() for word in (" ".join(piece.split()) for piece in text.split(",")) if word
)
